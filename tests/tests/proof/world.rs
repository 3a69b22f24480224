//! What the world does to a site while a POST of it is on its way.

use crate::place::cluster;
use crate::table::Event;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tests::fault_proxy::Where;
use tests::openbao::outside::{Copies, Outside};
use tests::operator;
use tests::site::{LOST, Restore, Site};
use tokio::time::{sleep, timeout};

/// What is in a snapshot that somebody restores by hand.
pub(crate) const OTHER: &str = "other";
/// The same, of the one that holds the request's marker.
pub(crate) const MARKED: &str = "marked";
/// What is in servers that were initialised anew.
pub(crate) const ANEW: &str = "anew";

/// How long somebody stands still: longer than the tail may wait after its claim.
const STILL: Duration = Duration::from_secs(12);
/// A server that does not answer by then is held up by the POST; it answers when that has ended.
const ASKED_WITHIN: Duration = Duration::from_secs(2);

/// What was laid by before the request, and is done later.
pub(crate) struct World<'a> {
    event: Event,
    copies: Option<Copies>,
    /// What somebody restores by hand.
    by_hand: Vec<u8>,
    elsewhere: &'a Outside,
}

impl<'a> World<'a> {
    /// Lays by what its event needs, before the value is lost and the request made.
    pub(crate) async fn prepare(event: Event, site: &Site, elsewhere: &'a Outside) -> Self {
        let mut world = Self { event, copies: None, by_hand: Vec::new(), elsewhere };
        if event == Event::OtherRestored {
            site.scenario.write(OTHER).await.unwrap();
            world.by_hand = site.scenario.snapshot().await.unwrap();
        }
        site.scenario.write(LOST).await.unwrap();
        if event == Event::VolumesBack {
            world.copies = Some(site.outside.copy_volumes().unwrap());
        }
        world
    }

    /// The request is made.
    pub(crate) async fn is_asked(&mut self, site: &Site, key: &str) {
        if self.event == Event::SameRestored {
            self.by_hand = site.scenario.object(key).await.unwrap();
        }
    }

    /// Where a POST has to be stopped before it is where it breaks, if it has.
    pub(crate) fn early(&self, at: Where) -> Option<Where> {
        match self.event {
            Event::MarkedRestored if at > Where::Head => Some(Where::Head),
            Event::FrozenWithTail => Some(Where::Tail),
            _ => None,
        }
    }

    /// It is there.
    pub(crate) async fn begins(&mut self, site: &Site, leader: usize) {
        match self.event {
            Event::MarkedRestored => {
                site.scenario.write(MARKED).await.unwrap();
                self.by_hand = site.scenario.snapshot().await.unwrap();
                site.scenario.write(LOST).await.unwrap();
            }
            Event::FrozenWithTail => {
                site.proxies[leader].needs_no_reader();
                site.outside.nodes[leader].freeze();
            }
            _ => {}
        }
    }

    /// Does it while the POST is held; what waits for the POST is only begun.
    pub(crate) async fn strikes(&mut self, site: &mut Site, restore: &Restore, leader: usize) {
        let address = site.outside.nodes[leader].openbao.address.clone();
        match self.event {
            Event::OtherRestored | Event::SameRestored | Event::MarkedRestored => {
                site.scenario.restore_by_hand(&address, self.by_hand.clone()).await.unwrap();
            }
            Event::VolumesBack => {
                if let Some(copies) = &self.copies {
                    site.outside.put_back(copies).await.unwrap();
                }
            }
            Event::InitialisedAnew => {
                site.outside.begin_anew().await.unwrap();
                site.scenario.set_up_anew(site.outside.openbao.clone()).await.unwrap();
                site.scenario.write(ANEW).await.unwrap();
            }
            Event::TurnedElsewhere => {
                site.proxies.iter().try_for_each(|proxy| proxy.turn_to(&self.elsewhere.openbao)).unwrap();
            }
            Event::AnotherLeads => {
                let step_down = site.scenario.ask(&address, Method::PUT, "sys/step-down", json!({}));
                let _ = timeout(ASKED_WITHIN, step_down).await;
            }
            Event::LeaderFrozen => site.outside.nodes[leader].freeze(),
            Event::PodDeleted => restore.delete_pod().await,
            Event::ExecutorKilled => restore.kill().await,
            Event::ExecutorFrozen => restore.freeze().await,
            Event::OperatorsKilled => operator::kill_all(cluster()).unwrap(),
            Event::Nothing | Event::FrozenWithTail => {}
        }
    }

    /// Ends what does not end by itself, and waits until the servers are what they will be.
    pub(crate) async fn settles(&self, site: &Site, restore: &Restore, leader: usize) {
        match self.event {
            Event::LeaderFrozen | Event::FrozenWithTail => {
                // Not a wait for something: so long is the case.
                sleep(STILL).await;
                site.outside.nodes[leader].thaw();
            }
            Event::ExecutorFrozen => {
                sleep(STILL).await;
                restore.fault("thaw").await;
            }
            _ => {}
        }
    }

    /// How often a snapshot was restored by hand.
    pub(crate) fn restores_by_hand(&self) -> usize {
        usize::from(matches!(self.event, Event::OtherRestored | Event::SameRestored | Event::MarkedRestored))
    }
}
