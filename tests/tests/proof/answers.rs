//! Every way in which a POST or its answer breaks, by everything that the world does meanwhile. It takes longest, and its name
//! has it begin first.

use crate::lanes::Lanes;
use crate::place::place;
use crate::table::{Event, Row};
use tests::harness::{is_soak, sample, some_of};

/// Rows that run side by side: most of each is waiting.
const AT_ONCE: usize = 16;
/// The same in a soak.
const AT_ONCE_IN_A_SOAK: usize = 32;
/// Of those in which the world does something, in the suite.
const EVENTFUL: usize = 16;

/// `ROW` plays those only whose names have each of its words; `|` stands between such lists.
///
/// Bug: a restore is called Completed that was not applied, or not applied and is later; or a lock is held for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_of_a_post_that_breaks_is_what_openbao_has() {
    let (mut rows, mut eventful) = (Row::quiet(), Row::eventful());
    let wanted = std::env::var("ROW").unwrap_or_default();
    let has = |row: &Row, words: &str| words.split(' ').all(|word| row.to_string().contains(word));
    let is_wanted = |row: &Row| wanted.split('|').any(|words| has(row, words));
    rows.retain(is_wanted);
    eventful.retain(is_wanted);
    eventful.retain(|row| is_soak() || !row.takes_ten_minutes());
    println!("{} ways to break while the world does nothing", rows.len());
    rows.extend(some_of(&eventful, &sample(EVENTFUL, eventful.len())));
    // What takes longest begins first, those come together that can have the same servers, and nobody else's operators are
    // killed under anybody.
    let is_quiet = |row: &Row| row.event == Event::Nothing;
    rows.sort_by_key(|row| {
        (!row.breaks.is_slow(), is_quiet(row), row.event.replicas(), row.event.leaves_them())
    });
    let (killed, rows) = rows.into_iter().partition(|row| row.event == Event::OperatorsKilled);
    let lanes = Lanes::open(place().await).await;
    let at_once = if is_soak() { AT_ONCE_IN_A_SOAK } else { AT_ONCE };
    lanes.play(rows, at_once).await;
    lanes.play(killed, at_once).await;
    lanes.close();
}
