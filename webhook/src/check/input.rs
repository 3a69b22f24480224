//! Texts of files, of folders, and of the standard input.

use super::Unusable;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Stands for the standard input.
const STDIN: &str = "-";

/// Ends of the names of files that are read in a folder.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// A text, and where it is from.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) content: String,
    /// Whether somebody asked for this very file.
    named: bool,
}

impl Text {
    /// A file of a folder that never names our group holds nothing of ours, whatever else it is: a template of a chart
    /// is no YAML yet.
    pub(super) fn may_be_other(&self) -> bool {
        !self.named && !self.content.contains(api::GROUP)
    }
}

/// The standard input can be read once: whoever came second would find nothing to judge.
pub(super) fn stdin_twice(paths: &[&[PathBuf]]) -> Option<Unusable> {
    let count = paths.iter().flat_map(|paths| paths.iter()).filter(|path| path.as_os_str() == STDIN).count();
    let why = "is named twice and can be read once: put one of them into a file".to_owned();
    (count > 1).then(|| Unusable { file: "stdin".to_owned(), line: 1, why })
}

/// Every text that `paths` name, folders in the order of their names.
pub(super) fn texts(paths: &[PathBuf], unusable: &mut Vec<Unusable>) -> Vec<Text> {
    let mut found = Vec::new();
    for path in paths {
        let read = if path.as_os_str() == STDIN {
            stdin().map(|text| found.push(text))
        } else {
            collect(path, true, &mut found, unusable)
        };
        if let Err(error) = read {
            unusable.push(unreadable(path, &error));
        }
    }
    found
}

fn stdin() -> io::Result<Text> {
    let mut content = String::new();
    io::stdin().read_to_string(&mut content)?;
    Ok(Text { name: "stdin".to_owned(), content, named: true })
}

fn collect(path: &Path, named: bool, found: &mut Vec<Text>, unusable: &mut Vec<Unusable>) -> io::Result<()> {
    if !path.is_dir() {
        let content = std::fs::read(path)?;
        let name = path.display().to_string();
        match String::from_utf8(content) {
            Ok(content) => found.push(Text { name, content, named }),
            Err(error) => {
                let content = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let line = content.lines().position(|line| line.contains('\u{fffd}')).unwrap_or_default();
                let text = Text { name, content, named };
                if !text.may_be_other() {
                    unusable.push(Unusable {
                        file: text.name,
                        line: line as u64 + 1,
                        why: "is not UTF-8: save it as that".to_owned(),
                    });
                }
            }
        }
        return Ok(());
    }
    let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let inner = entry.path();
        // A link to a folder could lead back up.
        let folder = entry.file_type()?.is_dir();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let extension = inner.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let wanted =
            folder || inner.is_file() && EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str());
        if wanted
            && !is_hidden
            && let Err(error) = collect(&inner, false, found, unusable)
        {
            unusable.push(unreadable(&inner, &error));
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Unusable {
    Unusable { file: path.display().to_string(), line: 1, why: format!("cannot be read: {error}") }
}
