//! What `status.restores` of a cluster keeps of its restores, and what is known of a request by that.

use super::{Observed, Outcome};
use api::cluster::RestoreRecord;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How many runs `status.restores` of a cluster keeps.
const RUNS: usize = 20;

impl Observed {
    /// Whether another restore has replaced the data, or may have, since the check ended.
    pub(super) fn superseded(&self) -> Option<&RestoreRecord> {
        let checked = self.checked()?;
        let since = |record: &&RestoreRecord| {
            let is_later = record.time.as_ref().is_some_and(|time| time.0 >= checked.at.0);
            record.uid != self.uid() && is_later
        };
        self.cluster.as_ref()?.status.as_ref()?.restores.iter().rev().find(since)
    }

    /// UID of the newest run of this intent by another request.
    pub(super) fn latest_run_of(&self, digest: Option<&str>) -> Option<String> {
        let status = self.cluster.as_ref()?.status.as_ref()?;
        let same = |record: &&RestoreRecord| {
            Some(record.intent_digest.as_str()) == digest && record.uid != self.uid()
        };
        status.restores.iter().rev().find(same).map(|record| record.uid.clone())
    }

    /// `status.restores` of the cluster with what is known of this request now.
    #[must_use]
    pub fn records(&self, outcome: Outcome, now: Timestamp) -> Vec<RestoreRecord> {
        let cluster = self.cluster.as_ref().and_then(|cluster| cluster.status.as_ref());
        let mut restores = cluster.map(|status| status.restores.clone()).unwrap_or_default();
        restores.retain(|record| record.uid != self.uid());
        if outcome != Outcome::NotApplied {
            let status = self.request.status.clone().unwrap_or_default();
            restores.push(RestoreRecord {
                name: self.name().to_owned(),
                uid: self.uid().to_owned(),
                intent_digest: status.intent_digest.unwrap_or_default(),
                snapshot_digest: status.snapshot_digest.unwrap_or_default(),
                outcome: outcome.as_str().to_owned(),
                time: Some(Time(now)),
            });
        }
        restores.drain(..restores.len().saturating_sub(RUNS));
        restores
    }

    /// What `status.restores` of the cluster says of this request.
    pub(super) fn recorded(&self) -> Option<&str> {
        let restores = self.cluster.as_ref()?.status.as_ref()?.restores.iter();
        restores.rev().find(|record| record.uid == self.uid()).map(|record| record.outcome.as_str())
    }
}
