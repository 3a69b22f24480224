//! The snapshot's marker: made right before the snapshot is asked for, and consumed once that has ended, so that it lives in
//! the data of the snapshot alone.

use super::attempt::Site;
use crate::openbao::{Leader, Marked, OpenBaoError, Session};
use api::task::SnapshotMarker;
use archive::ManifestMarker;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::time::sleep;

/// What is asked for: ten years. A server may grant less.
const LIFE: SignedDuration = SignedDuration::from_hours(87_600);
/// How long a marker that is not clearly consumed is tried again: an election takes seconds.
const CONSUMED_WITHIN: Duration = Duration::from_secs(10);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// What is left where there is none.
const PROOF: &str = "a restore of it can be proved only by a 204 that was read and watched";

/// Why a snapshot has no marker. The backup is good all the same.
#[derive(Debug, Error)]
pub(super) enum Unmarked {
    #[error(
        "The snapshot has no marker, since the leader does not say the id of its cluster; {PROOF}. See its log."
    )]
    Nameless,
    #[error(
        "The snapshot has no marker, since the policy of the backup does not let it call sys/wrapping/wrap; {PROOF}. Add to its policy: {policy}"
    )]
    Forbidden { policy: String },
    #[error("The snapshot has no marker; {PROOF}. {0}")]
    NotMade(OpenBaoError),
    #[error(
        "The snapshot has no marker, since its own could not be consumed in the cluster; {PROOF}. The next backup consumes it. {fault}"
    )]
    Stays { fault: String },
    #[error(
        "The snapshot has no marker, since its own was gone before it was consumed: somebody replaced the data meanwhile, or an answer was lost; {PROOF}. Make another backup."
    )]
    Gone,
    #[error(
        "The snapshot has no marker, since the leader does not say at which index of its log it was made; {PROOF}."
    )]
    NoIndex,
    #[error(
        "The snapshot has no marker, since it ends at index {snapshot} of the log, and its own was made at {marker}; {PROOF}. Make another backup."
    )]
    Older { snapshot: u64, marker: u64 },
}

impl From<OpenBaoError> for Unmarked {
    fn from(error: OpenBaoError) -> Self {
        match error {
            OpenBaoError::Permission { policy, .. } => Self::Forbidden { policy },
            error => Self::NotMade(error),
        }
    }
}

/// What became of the markers that had to be consumed.
#[derive(Debug, Default)]
pub(super) struct Consumed {
    /// Those that were there until then.
    taken: Vec<String>,
    /// Why others stay.
    fault: Option<String>,
}

impl Site<'_> {
    /// Makes the marker of the snapshot that is asked for next. It is on the ticket when this returns.
    pub(super) async fn mint(&self, session: &Session, leader: &Leader) -> Result<Marked, Unmarked> {
        if leader.cluster_id.is_none() {
            return Err(Unmarked::Nameless);
        }
        let marked = session.mark(&self.work.task.request.uid, LIFE).await?;
        let named = SnapshotMarker {
            token: marked.token.clone(),
            created: Time(marked.created),
            expires: Time(marked.expires),
        };
        self.work.progress.begun(|left| left.markers.push(named)).await;
        Ok(marked)
    }

    /// Consumes every marker that the ticket names, by whoever leads now. Those that stay remain named.
    pub(super) async fn consume(&self) -> Consumed {
        let begun = Instant::now();
        let mut consumed = Consumed::default();
        loop {
            consumed.fault = self.try_to_consume(&mut consumed.taken).await.err();
            let Some(fault) = &consumed.fault else { return consumed };
            tracing::warn!(fault, "a marker could not be consumed");
            if begun.elapsed() > CONSUMED_WITHIN {
                return consumed;
            }
            sleep(PAUSE).await;
        }
    }

    /// The newest first: it is the one that matters for this backup.
    async fn try_to_consume(&self, taken: &mut Vec<String>) -> Result<(), String> {
        let progress = self.work.progress;
        let markers = progress.left().markers;
        if markers.is_empty() {
            return Ok(());
        }
        let told =
            |errors: Vec<OpenBaoError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let (_, node) = self.leader().await.map_err(told)?;
        let mut outcome = Ok(());
        for SnapshotMarker { token, .. } in markers.into_iter().rev() {
            match node.consume(&token).await {
                Ok(was_there) => {
                    progress.change(|left| left.markers.retain(|one| one.token != token));
                    taken.extend(was_there.then_some(token));
                }
                Err(fault) => outcome = outcome.and(Err(fault)),
            }
        }
        outcome
    }

    /// The marker for the manifest of a snapshot that ends at this index, and what a reader should know.
    pub(super) fn judge(
        &self,
        minted: Result<Marked, Unmarked>,
        consumed: &Consumed,
        snapshot: u64,
    ) -> (Option<ManifestMarker>, Option<String>) {
        let left = self.work.progress.left().markers;
        let own = minted.as_ref().ok().map(|marked| marked.token.clone());
        let earlier = left.iter().filter(|marker| Some(&marker.token) != own.as_ref()).count();
        let stays = left.len() > earlier;
        let marker = minted.and_then(|marked| consumed.alone(marked, stays, snapshot));
        let remark = marker.as_ref().map_or_else(|unmarked| Some(unmarked.to_string()), cut_short);
        let remarks: Vec<String> = [remark, still_alive(earlier)].into_iter().flatten().collect();
        (marker.ok(), (!remarks.is_empty()).then(|| remarks.join(" ")))
    }
}

impl Consumed {
    /// The marker, if it lives in the data of the snapshot that ends at this index, and nowhere else.
    fn alone(&self, marked: Marked, stays: bool, snapshot: u64) -> Result<ManifestMarker, Unmarked> {
        if stays {
            return Err(Unmarked::Stays { fault: self.fault.clone().unwrap_or_default() });
        }
        if !self.taken.contains(&marked.token) {
            return Err(Unmarked::Gone);
        }
        let index = marked.index.ok_or(Unmarked::NoIndex)?;
        if snapshot < index {
            return Err(Unmarked::Older { snapshot, marker: index });
        }
        let life = marked.expires.duration_since(marked.created).as_secs();
        Ok(ManifestMarker {
            token: marked.token,
            creation_time: marked.created,
            ttl_seconds: u32::try_from(life).unwrap_or(u32::MAX),
        })
    }
}

/// That so many markers of earlier backups are not consumed.
fn still_alive(earlier: usize) -> Option<String> {
    (earlier > 0).then(|| {
        format!(
            "Markers of earlier backups live in the cluster ({earlier}), and could not be consumed yet; the next backup tries again."
        )
    })
}

/// That a server lets a marker live for less than was asked.
fn cut_short(marker: &ManifestMarker) -> Option<String> {
    let granted = SignedDuration::from_secs(marker.ttl_seconds.into());
    (granted < LIFE).then(|| {
        format!(
            "The leader lets the marker of the snapshot live until {} only; later {PROOF}.",
            marker.expires()
        )
    })
}
