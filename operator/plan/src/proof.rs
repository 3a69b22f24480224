//! Whether a restore was applied, judged by what the servers say. An acknowledgement proves nothing, and a sealed server
//! is no verdict.
//!
//! Three clocks take part, and none is held against another: the marker and `active_time` are judged on the leader's, the
//! end of everything that was on its way on the API server's, and who waits for either counts by itself.

use jiff::{SignedDuration, Timestamp};

/// A leader that became active this close to the claim did so because of the restore.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Nothing of a POST is on its way any more this long after the claim, at the least. That the sender's connection ended
/// says less: a server that does not hear of it restores what it has when its read timeout comes.
const NOTHING_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// Bytes a second at which a snapshot moves at the least.
pub const SLOWEST: u64 = 5 * 1024 * 1024;
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

/// What the current leader says about the marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// 200: it is there.
    Present,
    /// 400: it is not there.
    Absent,
    /// Anything else, or no answer.
    Unclear,
}

/// What became of the POST, as its sender saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Post {
    /// The server's 204 was read.
    Acknowledged,
    /// The server's refusal was read.
    Refused,
    /// Neither was read, or the sender is gone.
    Unclear,
}

/// All that a verdict rests on. Every time is by the clock of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The marker on the leader of now.
    pub lookup: Lookup,
    /// When it said so.
    pub asked: Option<Timestamp>,
    /// Since when it is active, where it says so.
    pub active_now: Option<Timestamp>,
    /// Since when the leader of the POST was active, before it.
    pub active_before: Timestamp,
    /// When the ticket was claimed.
    pub claimed: Timestamp,
    /// When the marker goes by itself.
    pub marker_expires: Timestamp,
    /// What became of the POST.
    pub post: Post,
    /// Whether no POST can be on its way any more; whoever says so has looked before the leader was asked.
    pub nothing_on_its_way: bool,
}

/// Whether the cluster has the snapshot's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has.
    Applied,
    /// It has its own data, and that stays so.
    NotApplied,
    /// Not known yet.
    Unknown,
}

/// Which server leads now: it says so itself, and more than half of all name it. A leader of before that was cut off or
/// frozen still says so, but is named by few.
#[must_use]
pub fn leader(servers: &[Option<Says<'_>>]) -> Option<usize> {
    let named = |address: &str| servers.iter().flatten().filter(|one| one.names == address).count();
    servers.iter().position(|one| one.is_some_and(|one| one.leads && 2 * named(one.names) > servers.len()))
}

/// The verdict.
#[must_use]
pub fn judge(seen: &Evidence) -> Verdict {
    match (seen.lookup, seen.post) {
        (Lookup::Present, Post::Refused) => Verdict::NotApplied,
        (Lookup::Present, _) if seen.nothing_on_its_way => Verdict::NotApplied,
        (Lookup::Absent, Post::Acknowledged) if wiped(seen) && active_anew(seen).is_some() => {
            Verdict::Applied
        }
        (Lookup::Absent, Post::Unclear)
            if wiped(seen) && active_anew(seen).is_some_and(|after| after.abs() <= FRESH) =>
        {
            Verdict::Applied
        }
        // A refused POST restored nothing: whatever wiped the marker was somebody else's.
        (Lookup::Present | Lookup::Absent | Lookup::Unclear, _) => Verdict::Unknown,
    }
}

/// Whether a marker that is not there cannot have expired. Only half of its life counts: another server may have led
/// meanwhile, and its clock may be a day off.
fn wiped(seen: &Evidence) -> bool {
    let life = seen.marker_expires.duration_since(seen.claimed);
    seen.asked.is_some_and(|asked| asked.duration_since(seen.claimed) < life / 2)
}

/// How long after the claim the leader became active, if it is not the activity of before.
fn active_anew(seen: &Evidence) -> Option<SignedDuration> {
    let active = seen.active_now.filter(|active| *active > seen.active_before)?;
    Some(active.duration_since(seen.claimed))
}

/// The `http_read_timeout` that a snapshot of this many bytes needs: its time at 5 MiB/s and a quarter more, in whole
/// minutes, at least 15.
#[must_use]
pub fn read_timeout(size: u64) -> SignedDuration {
    let minutes = (size / SLOWEST).saturating_mul(5).div_ceil(4 * 60).max(LEAST_READ_TIMEOUT);
    SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(i64::MAX / 60))
}

/// How long after the claim a POST of this many bytes can be on its way: a sender that was frozen goes on until its token
/// has expired (in `token`; none: it does not), and a server waits for the rest until its read timeout.
#[must_use]
pub fn on_its_way(size: u64, token: Option<SignedDuration>) -> SignedDuration {
    token.map_or(SignedDuration::MAX, |token| token.saturating_add(read_timeout(size)).max(NOTHING_AFTER))
}

#[cfg(test)]
mod tests;
