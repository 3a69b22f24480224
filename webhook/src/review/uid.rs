//! The uid of a review that cannot be read otherwise. It is the first thing that an API server writes, so it is there even
//! where the rest is cut off or not JSON at all.

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use std::cell::RefCell;
use std::fmt;

/// Longer than any that an API server makes (a UUID).
const UID_BYTES: usize = 128;

/// The uid, if there is one before the first error.
pub(super) fn find(body: &[u8]) -> Option<String> {
    let found = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    // The error, where there is one, comes after what is looked for, or there is nothing to find.
    let _ = Level { path: &["request", "uid"], found: &found }.deserialize(&mut deserializer);
    found.into_inner().filter(|uid: &String| !uid.is_empty() && uid.len() <= UID_BYTES)
}

/// A map with the rest of a path in it, or the text at its end.
#[derive(Clone, Copy)]
struct Level<'p> {
    path: &'p [&'static str],
    found: &'p RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            deserializer.deserialize_str(self)
        } else {
            deserializer.deserialize_map(self)
        }
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an admission review")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.found.replace(Some(text.to_owned()));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.path.split_first() {
                Some((first, rest)) if key == *first => {
                    map.next_value_seed(Level { path: rest, found: self.found })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_uid_is_found_before_the_first_error_and_nowhere_else() {
        let whole =
            r#"{"kind":"AdmissionReview","request":{"uid":"u-1","object":{"request":{"uid":"u-2"}}}}"#;
        let found = |text: &str| find(text.as_bytes());
        let there = Some("u-1".to_owned());
        assert_eq!(found(whole), there);
        let after = whole.find("u-1").unwrap() + "u-1\"".len();
        for end in 0..whole.len() {
            let expected = if end < after { None } else { there.clone() };
            assert_eq!(found(&whole[..end]), expected, "{}", &whole[..end]);
        }
        assert_eq!(found(&whole.replace(",\"object\"", "###")), there);
        for none in
            ["", "[]", "{}", r#"{"request":[]}"#, r#"{"request":{"uid":7}}"#, r#"{"request":{"uid":""}}"#]
        {
            assert_eq!(found(none), None, "{none}");
        }
        assert_eq!(found(&whole.replace("u-1", &"u".repeat(129))), None);
    }
}
