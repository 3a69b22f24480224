//! The file `env` of a cluster: what a shell needs to use it.

use std::path::Path;

/// Renders `export NAME='value'` lines, and PATH with the tools first.
pub(super) fn render(variables: &[(&str, String)], tools: &Path) -> String {
    let path = format!("export PATH={}:\"$PATH\"\n", quoted(&tools.display().to_string()));
    variables.iter().fold(path, |text, (name, value)| format!("{text}export {name}={}\n", quoted(value)))
}

/// The variables of a rendered file, without PATH.
pub(crate) fn parse(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .filter(|(name, _)| *name != "PATH")
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').replace("'\\''", "'")))
        .collect()
}

/// As a shell reads it; plain where nothing needs quotes.
pub(super) fn quoted(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a blank or a quote in its name would break the shell that sources the file.
    #[test]
    fn values_survive_the_shell_and_our_own_reader() {
        let value = "a b'c $HOME".to_owned();
        let text = render(&[("KEY", value.clone())], Path::new("/tools of x"));
        assert_eq!(parse(&text), [("KEY".to_owned(), value.clone())]);
        let script = format!("{text}printf '%s' \"$KEY\"");
        let shell = std::process::Command::new("/bin/sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&shell.stdout), value);
    }
}
