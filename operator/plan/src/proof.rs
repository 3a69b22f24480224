//! Whether a restore was applied, judged by two markers that the servers are asked for. An acknowledgement proves nothing,
//! and a sealed server is no verdict.
//!
//! The request's marker was made before the POST, so it is not in the snapshot: any restore wipes it. The snapshot's marker is
//! in the snapshot alone, and was not in the cluster before the claim. No clock of a server takes part: who looks counts by
//! its own, and the end of everything that was on its way is told by the API server's.

use api::task::{Answer, Claim, Identity};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Nothing of a POST is on its way any more this long after the claim, at the least. That the sender's connection ended
/// says less: a server that does not hear of it restores what it has when its read timeout comes.
const NOTHING_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// For how long look after look must find the request's marker: a leader that was frozen may answer before it goes on.
const STAYS: Duration = Duration::from_secs(30);
/// Between two looks that are further apart a leader may have been frozen once more. Servers of which one is silent take
/// ten seconds to look at.
const UNBROKEN: Duration = Duration::from_secs(15);
/// A leader that is restoring takes longer to answer.
const PROMPT: Duration = Duration::from_secs(2);
/// A leader becomes active anew this long after its acknowledgement, and as much later as its snapshot takes at
/// [`INSTALLS`].
const ACTIVE_ANEW: Duration = Duration::from_secs(30);
/// Bytes a second at which a server installs a snapshot at the least.
const INSTALLS: u64 = 20_000_000;
/// Bytes a second at which a snapshot moves at the least.
pub const SLOWEST: u64 = 5 * 1024 * 1024;
/// From the end of a connection on, a server that has all of a POST needs this long for it, and as much longer as it takes to
/// write the snapshot to its disk at [`SLOWEST`].
const AFTER_END: SignedDuration = SignedDuration::from_secs(120);
/// Shortest read timeout that is recommended, in minutes.
const LEAST_READ_TIMEOUT: u64 = 15;

/// What one server says about who leads; a sealed or silent one says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Says<'a> {
    /// Whether it says that it leads itself.
    pub leads: bool,
    /// Address of the leader, as it knows it.
    pub names: &'a str,
}

/// Which server leads now: it says so itself, and more than half of all name it. A leader of before that was cut off or
/// frozen still says so, but is named by few.
#[must_use]
pub fn leader(servers: &[Option<Says<'_>>]) -> Option<usize> {
    let named = |address: &str| servers.iter().flatten().filter(|one| one.names == address).count();
    servers.iter().position(|one| one.is_some_and(|one| one.leads && 2 * named(one.names) > servers.len()))
}

/// What a leader says about a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// Anything else, or no answer.
    Unclear,
}

/// What became of the POST after the claim, as its sender saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Post {
    /// Not a byte of the tail was handed to the connection.
    TailKept,
    /// The tail was handed over, and this answer was read, if any that says something.
    TailSent(Option<Answer>),
}

/// One look at the leader of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Address of that leader.
    pub leader: String,
    /// Which OpenBao it was, before and after it was asked for the markers.
    pub identity: Identity,
    /// The request's marker.
    pub request: Lookup,
    /// The snapshot's marker; none: there is none to ask for.
    pub snapshot: Option<Lookup>,
    /// The longest that it took to answer for one of them.
    pub took: Duration,
    /// When it was asked, by the clock of who looks.
    pub at: Duration,
    /// Whether no POST could be on its way any more; whoever says so has looked before the leader was asked.
    pub nothing_on_its_way: bool,
    /// How long before this look's end its own 204 was read, where who looks is who posted, and has been there ever since.
    pub acknowledged: Option<Duration>,
}

/// Whether the cluster has the snapshot's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// After the claim the cluster's data became the snapshot's.
    Applied(Applied),
    /// They are not the snapshot's, and the POST can no longer change that.
    NotApplied(NotApplied),
    /// Not known yet.
    Unknown(Doubt),
}

/// By what it is known to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// The snapshot's marker is there.
    Marker,
    /// The snapshot has no marker: the leader acknowledged it, became active anew in time and lost the request's marker.
    Watched,
}

/// By what it is known to be not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotApplied {
    /// The server never had the tail.
    TailKept,
    /// OpenBao refused it, and the request's marker is there.
    Refused,
    /// The request's marker stays, and nothing can be on its way.
    MarkerStays,
}

/// Why it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// No leader gave a clear answer.
    NoAnswer,
    /// The request's marker is there, and the POST may still be on its way.
    OnItsWay,
    /// Both markers are gone: somebody else replaced the data, or the volumes are older ones.
    Replaced,
    /// The request's marker is gone, and the snapshot has none that could be asked for.
    NoMarker,
    /// The leader is not of the OpenBao of the claim, or its data are older.
    OtherCluster,
}

/// Judges looks one after the other.
#[derive(Clone, Debug)]
pub struct Judge<'a> {
    claim: &'a Claim,
    post: Post,
    /// Bytes of the snapshot.
    size: u64,
    /// The first and the latest of the looks that found the request's marker with nothing on its way, one after the other.
    series: Option<(Duration, Duration)>,
}

impl<'a> Judge<'a> {
    /// A judge of a claimed restore of so many bytes, who has seen nothing yet.
    #[must_use]
    pub const fn new(claim: &'a Claim, post: Post, size: u64) -> Self {
        Self { claim, post, size, series: None }
    }

    /// The verdict without any look.
    #[must_use]
    pub const fn unseen(&self) -> Verdict {
        match self.post {
            Post::TailKept => Verdict::NotApplied(NotApplied::TailKept),
            Post::TailSent(_) => Verdict::Unknown(Doubt::NoAnswer),
        }
    }

    /// The verdict of this look, in the light of those before.
    #[must_use]
    pub fn look(&mut self, look: &Look) -> Verdict {
        if self.post == Post::TailKept {
            return self.unseen();
        }
        let series = self.series.take();
        let is_origins = |id: &str| self.claim.origin.as_ref().is_none_or(|origin| origin.cluster_id == id);
        let is_newer = look.identity.raft_index >= self.claim.identity.raft_index;
        match (look.snapshot, look.request) {
            (Some(Lookup::Present), _) if is_newer && is_origins(&look.identity.cluster_id) => {
                Verdict::Applied(Applied::Marker)
            }
            (Some(Lookup::Present), _) => Verdict::Unknown(Doubt::OtherCluster),
            (Some(Lookup::Unclear), _) | (_, Lookup::Unclear) => Verdict::Unknown(Doubt::NoAnswer),
            (Some(Lookup::Absent) | None, Lookup::Present) => self.marker_stays(look, is_newer, series),
            (Some(Lookup::Absent), Lookup::Absent) => Verdict::Unknown(Doubt::Replaced),
            (None, Lookup::Absent) if self.was_watched(look) => Verdict::Applied(Applied::Watched),
            (None, Lookup::Absent) => Verdict::Unknown(Doubt::NoMarker),
        }
    }

    /// The request's marker is there, and the snapshot's is not.
    fn marker_stays(&mut self, look: &Look, is_newer: bool, series: Option<(Duration, Duration)>) -> Verdict {
        if look.identity.cluster_id != self.claim.identity.cluster_id {
            return Verdict::Unknown(Doubt::OtherCluster);
        }
        if self.post == Post::TailSent(Some(Answer::Refused)) {
            return Verdict::NotApplied(NotApplied::Refused);
        }
        if !is_newer {
            return Verdict::Unknown(Doubt::OtherCluster);
        }
        if !look.nothing_on_its_way || look.took > PROMPT {
            return Verdict::Unknown(Doubt::OnItsWay);
        }
        let goes_on = series.filter(|(_, latest)| look.at.saturating_sub(*latest) <= UNBROKEN);
        let first = goes_on.map_or(look.at, |(first, _)| first);
        self.series = Some((first, look.at));
        if look.at.saturating_sub(first) >= STAYS {
            return Verdict::NotApplied(NotApplied::MarkerStays);
        }
        Verdict::Unknown(Doubt::OnItsWay)
    }

    /// Whether who posted has seen the very server that acknowledged become active anew, as soon as it must.
    fn was_watched(&self, look: &Look) -> bool {
        look.acknowledged.is_some_and(|ago| ago <= active_anew_within(self.size))
            && self.post == Post::TailSent(Some(Answer::Acknowledged))
            && look.leader == self.claim.leader
            && look.identity.active_time != self.claim.identity.active_time
    }
}

/// How long after its acknowledgement of a snapshot of this many bytes a leader becomes active anew at the latest.
#[must_use]
pub const fn active_anew_within(size: u64) -> Duration {
    ACTIVE_ANEW.saturating_add(Duration::from_secs(size / INSTALLS))
}

/// The `http_read_timeout` that a snapshot of this many bytes needs: its time at 5 MiB/s and a quarter more, in whole
/// minutes, at least 15.
#[must_use]
pub fn read_timeout(size: u64) -> SignedDuration {
    let minutes = (size / SLOWEST).saturating_mul(5).div_ceil(4 * 60).max(LEAST_READ_TIMEOUT);
    SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(i64::MAX / 60))
}

/// From when on nothing of a POST of this many bytes is on its way that was claimed at this time of the API server: a
/// server waits for the rest until its read timeout.
#[must_use]
pub fn nothing_after(claimed: Timestamp, size: u64) -> Timestamp {
    claimed.saturating_add(read_timeout(size).max(NOTHING_AFTER)).unwrap_or(Timestamp::MAX)
}

/// From when on nothing of a POST of this many bytes is on its way whose connection ended then: its server has seen the end,
/// and what it had by then it has refused or applied.
#[must_use]
pub fn settled_after(ended: Timestamp, size: u64) -> Timestamp {
    let writes = SignedDuration::from_secs(i64::try_from(size / SLOWEST).unwrap_or(i64::MAX));
    ended.saturating_add(AFTER_END.saturating_add(writes)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
