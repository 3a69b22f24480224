//! Judges objects of files as the API server would: defaults first, then the rules.

use super::Unusable;
use super::args::CheckArgs;
use super::manifest::{Identity, Manifest};
use super::report::{Located, Object};
use rules::{Finding, Installation, Subject, Verdict, Weight, stored};
use serde_json::Value;
use std::collections::HashMap;

/// The installation that the files are meant for, and the objects of before.
pub(super) struct Judge<'a> {
    args: &'a CheckArgs,
    installation: Installation,
    old: HashMap<Identity, Value>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(args: &'a CheckArgs, old: &[Manifest], unusable: &mut Vec<Unusable>) -> Self {
        let installation = args.common.installation(&args.executor_image);
        let mut known = HashMap::new();
        for manifest in old {
            let identity = manifest.identity(&args.namespace);
            let stored = stored(manifest.kind, &manifest.node.value(), None, &installation);
            if known.contains_key(&identity) {
                let why =
                    format!("{identity} is there twice among the old objects: give the one that counts");
                let line = manifest.node.find("metadata.name").line;
                unusable.push(Unusable { file: manifest.file.clone(), line, why });
            }
            known.insert(identity, stored);
        }
        Self { args, installation, old: known }
    }

    pub(super) fn judge(&self, manifest: Manifest) -> Object {
        let identity = manifest.identity(&self.args.namespace);
        let old = self.old.get(&identity);
        let new = stored(manifest.kind, &manifest.node.value(), old, &self.installation);
        let networks = &self.args.common.storage_allow_cidrs;
        let subject = Subject::new(manifest.kind, &identity.namespace, &new, old, networks).as_written();
        let findings = located(&manifest, rules::judge(&subject));
        Object { file: manifest.file, place: manifest.node.find("metadata.name"), identity, findings }
    }
}

fn located(manifest: &Manifest, verdict: Verdict) -> Vec<Located> {
    let place = |weight: Weight| {
        move |finding: Finding| Located { weight, place: manifest.node.find(&finding.field), finding }
    };
    let violations = verdict.violations.into_iter().map(place(Weight::Refuses));
    violations.chain(verdict.warnings.into_iter().map(place(Weight::Warns))).collect()
}
