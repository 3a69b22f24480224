//! Our objects among the documents of a file.

use super::Unusable;
use super::node::{Node, Place};
use rules::Kind;
use std::fmt;

/// An object of ours, and where it stands.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) file: String,
    pub(super) kind: Kind,
    /// None: that of whoever applies it.
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) node: Node,
}

/// What an API server tells objects apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}

impl Manifest {
    pub(super) fn identity(&self, namespace: &str) -> Identity {
        let namespace = self.namespace.as_deref().unwrap_or(namespace).to_owned();
        Identity { kind: self.kind, namespace, name: self.name.clone() }
    }
}

/// Takes what is ours out of a document, also out of a list, and counts the rest.
pub(super) fn collect(
    file: &str,
    document: Node,
    found: &mut Vec<Manifest>,
    unusable: &mut Vec<Unusable>,
) -> usize {
    if document.field("items").is_some() && document.text("kind").is_some_and(|kind| kind.ends_with("List")) {
        let items = document.into_field("items").map(Node::into_list).unwrap_or_default();
        return items.into_iter().map(|item| collect(file, item, found, unusable)).sum();
    }
    let api_version = document.text("apiVersion").unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or_default();
    let Some(kind) = Kind::find(group, document.text("kind").unwrap_or_default()) else { return 1 };
    let mut refuse = |place: Place, why: String| {
        unusable.push(Unusable { file: file.to_owned(), line: place.line, why });
    };
    if version != api::VERSION {
        let why =
            format!("no API server knows {api_version}: write apiVersion: {}/{}", api::GROUP, api::VERSION);
        refuse(document.find("apiVersion"), why);
        return 0;
    }
    let metadata = document.field("metadata");
    let text = |name: &str| metadata.and_then(|metadata| metadata.text(name)).filter(|text| !text.is_empty());
    let Some(name) = text("name").or_else(|| text("generateName")) else {
        refuse(document.find("metadata.name"), format!("{} has no name: give it metadata.name", kind.name()));
        return 0;
    };
    found.push(Manifest {
        file: file.to_owned(),
        kind,
        namespace: text("namespace").map(str::to_owned),
        name: name.to_owned(),
        node: document,
    });
    0
}
