//! One row, from its request to the end.

use crate::lanes::Bench;
use crate::seen::{Seen, watch};
use crate::table::{End, Event, Row};
use crate::truth::Before;
use crate::world::World;
use serde_json::json;
use std::time::{Duration, Instant};
use tests::fault_proxy::{FaultProxy, How, Times};
use tests::openbao::outside::Outside;
use tests::site::{Restore, Site};

/// What takes how long, after the last break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Delay {
    /// Until it is told as not applied and the lock is free, where no tail was sent.
    NotApplied,
    /// Until the doubt is told, or its end.
    Told,
}

/// Longer than a server of these tests waits for the end of a request.
pub(crate) const READ_TIMEOUT: &str = "20s";
const NOTHING_MORE_AFTER: Duration = Duration::from_secs(25);

pub(crate) async fn play(row: &Row, bench: &mut Bench, elsewhere: &Outside) -> Option<(Delay, Duration)> {
    let Bench { site, keys } = bench;
    let mut world = World::prepare(row.event, site, elsewhere).await;
    let key = keys.of(row.kind);
    world.is_asked(site, key).await;
    let before = Before::of(site);
    let restore = begin(row, site, key, &mut world).await;
    let may_last = async || before.after(site, &world, &restore).await.may_be_in_doubt(row);
    let seen = watch(&restore, may_last).await;
    let broke = before.breaks < breaks(site).len();
    assert!(broke || row.event != Event::Nothing, "{row}: nothing broke: {}", seen.message());
    let truth = before.after(site, &world, &restore).await;
    println!("{row}: {:?} of {:?}", seen.end, truth);
    truth.judge(row, &seen);
    let delay = delay(row, site, &seen);
    afterwards(row, site, &restore, &seen, &before, &world).await;
    delay
}

/// Asks for the restore, and has it break.
async fn begin(row: &Row, site: &mut Site, key: &str, world: &mut World<'_>) -> Restore {
    let leader = site.outside.leader().await.unwrap();
    let (at, how, times) = (row.breaks.at, row.breaks.how, row.breaks.times);
    site.proxies[leader].break_at(at, how, times);
    let restore = site.restore(&row.name(), key, &json!({})).await.unwrap();
    site.proxies[leader].posts_come_while(restore.is_at_work());
    if row.event == Event::Nothing {
        return restore;
    }
    let early = world.early(at);
    let stopped = site.proxies[leader].stop_at(early.unwrap_or(at));
    let mut held = restore.held(stopped).await;
    if early.is_some() {
        world.begins(site, leader).await;
        let stopped = site.proxies[leader].stop_at(at);
        held.go_on();
        held = restore.held(stopped).await;
    }
    if early.is_none() {
        world.begins(site, leader).await;
    }
    world.strikes(site, &restore, leader).await;
    if times == Times::Always {
        site.proxies[leader].break_at(at, how, times);
    }
    held.end(how);
    world.settles(site, &restore, leader).await;
    restore
}

/// When something was made to break.
pub(crate) fn breaks(site: &Site) -> Vec<Instant> {
    site.proxies.iter().flat_map(FaultProxy::breaks).collect()
}

/// How long a quiet row took, of which that matters.
fn delay(row: &Row, site: &Site, seen: &Seen) -> Option<(Delay, Duration)> {
    let broken = breaks(site).into_iter().max()?;
    let since = |then: Option<Instant>| then.map(|then| then.saturating_duration_since(broken));
    if row.event != Event::Nothing || matches!(row.breaks.how, How::Stall(_)) {
        return None;
    }
    if row.breaks.is_for_good() {
        return Some((Delay::NotApplied, since(seen.freed)?));
    }
    if row.breaks.at.is_before_the_tail() {
        return None;
    }
    Some((Delay::Told, since(seen.doubted.or(seen.freed))?))
}

/// What was told stays true; and the next row finds the site as this one did.
async fn afterwards(
    row: &Row,
    site: &Site,
    restore: &Restore,
    seen: &Seen,
    before: &Before,
    world: &World<'_>,
) {
    site.proxies.iter().for_each(FaultProxy::heal);
    if seen.end == End::Doubt {
        let truth = before.after(site, world, restore).await;
        restore.settle(if truth.ours > 0 { "applied" } else { "not-applied" }).await;
        restore.ended().await;
    }
    if seen.end == End::NotApplied && !row.breaks.at.is_before_the_tail() {
        tokio::time::sleep(NOTHING_MORE_AFTER).await;
        let later = before.after(site, world, restore).await;
        later.judge(row, seen);
    }
}
