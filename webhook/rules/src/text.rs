//! Texts: what a name may look like, and how a stranger's text is shown.

use std::fmt::{self, Write};

/// Longest name of an object (RFC 1123 subdomain, as Kubernetes applies it).
const SUBDOMAIN_CHARACTERS: usize = 253;

/// Clients that read this word in a refused update delete the object and create it again, which runs a restore twice.
const TRIGGER: &str = "immutable";

/// Empty, or of blanks only.
pub(crate) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Whether an object can have this name.
pub(crate) fn is_subdomain(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= SUBDOMAIN_CHARACTERS && name.split('.').all(label)
}

/// A user's value inside a message: one word of visible ASCII, cut where it is long. Blanks stay. It is made only where
/// it is shown.
pub(crate) fn shown(value: &str, characters: usize) -> impl fmt::Display + use<'_> {
    fmt::from_fn(move |to| {
        let visible = |c: char| if c == ' ' || c.is_ascii_graphic() && c != ';' { c } else { '?' };
        value.chars().take(characters).map(visible).try_for_each(|c| to.write_char(c))?;
        if value.chars().nth(characters).is_some() { to.write_str("...") } else { Ok(()) }
    })
}

/// The text without [`TRIGGER`], in whatever case a user's value brought it in.
pub(crate) fn harmless(text: String) -> String {
    let mut text = text;
    // Lowering ASCII keeps every byte where it is, so that the position fits the original.
    while let Some(at) = text.to_ascii_lowercase().find(TRIGGER) {
        text.replace_range(at..at + TRIGGER.len(), "fixed");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for name in ["a", "s3-credentials", "a.b-c.d0", &"a".repeat(253)] {
            assert!(is_subdomain(name), "{name}");
        }
        for name in ["", "A", "-a", "a-", "a..b", "a/b", "a_b", "\u{e9}", &"a".repeat(254)] {
            assert!(!is_subdomain(name), "{name}");
        }
    }

    #[test]
    fn a_users_value_stays_one_short_line() {
        assert_eq!(shown("a b; \n\u{e9}", 9).to_string(), "a b? ??");
        assert_eq!(shown("0123456789", 4).to_string(), "0123...");
    }

    #[test]
    fn the_trigger_goes_in_any_case_and_any_number() {
        assert_eq!(harmless("Is ImMutable, field is immutable".to_owned()), "Is fixed, field is fixed");
    }
}
