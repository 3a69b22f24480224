//! What the images of the cluster's pods are: programs on this machine.

use super::programs::Programs;
use crate::node::{Image, ImageFile};
use crate::tools::Tools;
use crate::{object_store, openbao, stub};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Repository of the image of this project, as the chart is told.
pub(super) const REPOSITORY: &str = "openbao-recovery";
/// Its tag.
pub(super) const TAG: &str = "local";

/// Every image that the node knows.
pub(super) fn all(programs: &Programs, tools: &Tools) -> BTreeMap<String, Image> {
    let ours = ["operator", "webhook", "executor"].map(|name| (name, programs.program(name)));
    BTreeMap::from([
        (format!("{REPOSITORY}:{TAG}"), image(&ours)),
        (openbao::IMAGE.to_owned(), image(&[("bao", tools.program("bao"))])),
        (object_store::IMAGE.to_owned(), image(&[("object-store", programs.program("object-store"))])),
        (stub::IMAGE.to_owned(), image(&[("executor", programs.program("stub-executor"))])),
    ])
}

/// Each program lies in the root, under its name. Pods name their command, so there is no entry point.
fn image(programs: &[(&str, PathBuf)]) -> Image {
    let files = programs
        .iter()
        .map(|(name, from)| ImageFile { at: PathBuf::from(format!("/{name}")), from: from.clone() })
        .collect();
    Image { entrypoint: Vec::new(), files }
}
