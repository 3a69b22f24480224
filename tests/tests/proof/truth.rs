//! What OpenBao has, and what may be told of a request by that.

use crate::play::breaks;
use crate::seen::Seen;
use crate::table::{End, Event, Kind, NOT_APPLIED_FOR, Row};
use crate::world::World;
use api::conditions::Reason;
use tests::fault_proxy::How;
use tests::site::{KEPT, Restore, Site, condition};

/// What a server logs when it has put a snapshot in the place of its data.
const RESTORED: &str = "restored user snapshot";

/// What a site had before a row.
pub(crate) struct Before {
    restored: usize,
    tails: usize,
    pub(crate) breaks: usize,
}

/// What it has after it.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) value: String,
    /// How often the POST of the request was restored.
    pub(crate) ours: usize,
    /// How often its last byte was sent.
    pub(crate) tails: usize,
    /// Whether a pod claimed it.
    pub(crate) is_claimed: bool,
}

impl Before {
    pub(crate) fn of(site: &Site) -> Self {
        Self { restored: restored(site), tails: site.tails(), breaks: breaks(site).len() }
    }

    pub(crate) async fn after(&self, site: &Site, world: &World<'_>, restore: &Restore) -> Truth {
        let value = site.value().await.unwrap();
        let ours = (restored(site) - self.restored).saturating_sub(world.restores_by_hand());
        let claimant = restore.claimant().await;
        let is_claimed = !claimant.is_empty() && !claimant.starts_with("operator/");
        Truth { value, ours, tails: site.tails() - self.tails, is_claimed }
    }
}

fn restored(site: &Site) -> usize {
    let logs = site.outside.nodes.iter().map(|node| node.log().unwrap());
    logs.map(|log| log.matches(RESTORED).count()).sum()
}

impl Truth {
    /// Holds against it what is told.
    pub(crate) fn judge(&self, row: &Row, seen: &Seen) {
        assert!(self.tails <= 1, "{row}: the tail was sent {} times", self.tails);
        match seen.end {
            End::Completed => self.is_applied(row, seen),
            End::NotApplied => self.is_not_applied(row, seen),
            End::Doubt => assert!(self.may_be_in_doubt(row), "{row}: a human could tell: {self:?} {seen:?}"),
        }
        if row.event == Event::Nothing {
            // It was quicker to claim than the break was.
            let is_late = self.is_claimed && row.breaks.at.is_before_the_tail();
            let expected = if is_late { self.end() } else { row.breaks.end(row.kind) };
            assert_eq!(seen.end, expected, "{row}: {self:?} {seen:?}");
        }
        if self.tails == 0 && !self.may_be_in_doubt(row) {
            assert_eq!(seen.end, End::NotApplied, "{row}: the tail never came: {seen:?}");
        }
    }

    fn end(&self) -> End {
        if self.ours > 0 { End::Completed } else { End::NotApplied }
    }

    fn is_applied(&self, row: &Row, seen: &Seen) {
        let became = self.ours > 0 || row.event == Event::SameRestored;
        assert!(became, "{row}: Completed, and it never was applied: {self:?} {seen:?}");
        let stays = row.event.replaces_data() || self.value == KEPT;
        assert!(stays, "{row}: Completed, and the data are others: {self:?} {seen:?}");
        assert_eq!(condition(&seen.object, "Finished").1, Reason::Proved.as_str(), "{row}");
    }

    fn is_not_applied(&self, row: &Row, seen: &Seen) {
        let by_others = row.event == Event::SameRestored && self.ours == 0;
        assert!(by_others || self.value != KEPT, "{row}: Failed, and it was applied: {self:?} {seen:?}");
        let (is, reason) = condition(&seen.object, "Finished");
        let known = NOT_APPLIED_FOR.iter().any(|known| known.as_str() == reason);
        assert!(is == "True" && known, "{row}: {reason}: {seen:?}");
        if let (How::Says(status), Event::Nothing) = (row.breaks.how, row.event) {
            assert!(
                seen.message().contains(&status.to_string()),
                "{row}: its cause is lost: {}",
                seen.message()
            );
        }
    }

    /// Nobody could tell, who has not seen what we have.
    pub(crate) fn may_be_in_doubt(&self, row: &Row) -> bool {
        let never_marked = row.kind == Kind::Bare && self.ours > 0;
        // What the claimant has given away it takes for sent, wherever it stopped.
        (self.tails > 0 || self.is_claimed) && (row.event.replaces_data() || never_marked)
    }
}
