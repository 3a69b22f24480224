//! What was judged, and how it is told.

mod github;
mod json;
mod sarif;
mod text;

use super::Unusable;
use super::args::Format;
use super::manifest::Identity;
use super::node::Place;
use rules::{Finding, Weight};

/// Everything that one run came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) files: usize,
    /// Documents of other kinds.
    pub(super) passed_over: usize,
    /// Files of folders that are no YAML and do not name our group.
    pub(super) unread: usize,
    pub(super) objects: Vec<Object>,
    pub(super) unusable: Vec<Unusable>,
    pub(super) warnings_as_errors: bool,
}

/// An object and what was found in it.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) file: String,
    pub(super) place: Place,
    pub(super) identity: Identity,
    pub(super) findings: Vec<Located>,
}

/// A finding and the place of its field.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) weight: Weight,
    pub(super) place: Place,
    pub(super) finding: Finding,
}

impl Object {
    fn has(&self, weight: Weight) -> bool {
        self.findings.iter().any(|located| located.weight == weight)
    }

    /// `refused` or `admitted`, as the API server would.
    fn verdict(&self) -> &'static str {
        if self.has(Weight::Refuses) { "refused" } else { "admitted" }
    }
}

impl Report {
    /// Whether the run failed for something that was found.
    pub(super) fn has_errors(&self) -> bool {
        self.findings().any(|(_, located)| self.is_error(located.weight))
    }

    fn is_error(&self, weight: Weight) -> bool {
        weight == Weight::Refuses || self.warnings_as_errors
    }

    /// `error` or `warning`.
    fn level(&self, weight: Weight) -> &'static str {
        if self.is_error(weight) { "error" } else { "warning" }
    }

    fn findings(&self) -> impl Iterator<Item = (&Object, &Located)> {
        self.objects.iter().flat_map(|object| object.findings.iter().map(move |located| (object, located)))
    }

    pub(super) fn render(&self, format: Format) -> String {
        match format {
            Format::Text => text::render(self),
            Format::Json => json::render(self),
            Format::Sarif => sarif::render(self),
            Format::Github => github::render(self),
        }
    }
}
