//! YAML with its places: each field of a document, and the line and column that it stands in. JSON is YAML too.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned, UserMessageFormatter};
use std::fmt;

/// Where something begins, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl From<Location> for Place {
    fn from(at: Location) -> Self {
        Self { line: at.line().max(1), column: at.column().max(1) }
    }
}

/// A value and its place: for a field, where its name stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Fields(Vec<(String, Node)>),
}

/// A text is no YAML. What the parser says of it is kept, the text is not: it may be a Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not YAML: {why}")]
pub(super) struct NodeError {
    pub(super) line: u64,
    why: String,
}

/// Every document of a text, without the empty ones.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, NodeError> {
    // Whole bundles of definitions come through the standard input.
    let budget = serde_saphyr::budget! {
        max_documents: 100_000,
        max_events: 50_000_000,
        max_nodes: 25_000_000,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        // As kubectl reads it: YAML 1.1, and no field twice.
        legacy_octal_numbers: true,
        strict_booleans: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
    };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Content>>(text, options);
    let documents = documents.map_err(|error| NodeError {
        line: error.location().map_or(1, |at| Place::from(at).line),
        why: error.render_with_formatter(&UserMessageFormatter),
    })?;
    Ok(documents.into_iter().map(Node::from).filter(|node| !node.is_null()).collect())
}

impl From<Spanned<Content>> for Node {
    fn from(spanned: Spanned<Content>) -> Self {
        Self { place: spanned.referenced.into(), content: spanned.value }
    }
}

impl Node {
    fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Value::Null))
    }

    /// The field of a name.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        let Content::Fields(fields) = &self.content else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, node)| node)
    }

    /// The text of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.field(name)?.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The entries of a list.
    pub(super) fn into_list(self) -> Vec<Self> {
        match self.content {
            Content::List(items) => items,
            _ => Vec::new(),
        }
    }

    /// The field of a name, out of the rest.
    pub(super) fn into_field(self, name: &str) -> Option<Self> {
        let Content::Fields(fields) = self.content else { return None };
        fields.into_iter().find(|(field, _)| field == name).map(|(_, node)| node)
    }

    /// Where a path such as `spec.connection.addresses[1]` stands, or the part of it that there is.
    pub(super) fn find(&self, path: &str) -> Place {
        let names = path.split(['.', '[']).map(|name| name.trim_end_matches(']'));
        let mut at = self;
        for name in names {
            let inner = match &at.content {
                Content::List(items) => name.parse::<usize>().ok().and_then(|n| items.get(n)),
                _ => at.field(name),
            };
            match inner {
                Some(inner) => at = inner,
                None => break,
            }
        }
        at.place
    }

    /// The same without places.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Content::Fields(fields) => {
                let fields = fields.iter().map(|(name, node)| (name.clone(), node.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Contents)
    }
}

struct Contents;

impl<'de> Visitor<'de> for Contents {
    type Value = Content;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a scalar, a list or fields")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Content>>()? {
            list.push(item.into());
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Content, A::Error> {
        let mut found = Vec::new();
        while let Some(name) = fields.next_key::<Spanned<String>>()? {
            let content = fields.next_value::<Content>()?;
            found.push((name.value, Node { place: name.referenced.into(), content }));
        }
        Ok(Content::Fields(found))
    }
}

#[cfg(test)]
mod tests;
