//! Which server is the leader, by what all of them say.

use super::OpenBaoError;
use api::task::Identity;
use jiff::Timestamp;
use plan::proof::{self, Says};
use serde::Deserialize;

/// `sys/health`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Health {
    initialized: bool,
    sealed: bool,
    /// Of the server's program.
    version: String,
    /// Of the data, so a restore changes it; a sealed server does not say it.
    #[serde(default)]
    pub(super) cluster_id: Option<String>,
}

/// `sys/leader`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Leadership {
    pub(crate) is_self: bool,
    /// Only the leader says this.
    pub(crate) active_time: Option<Timestamp>,
    leader_address: String,
    /// Entries of the raft log that are committed, and those that it has applied.
    raft_committed_index: u64,
    pub(crate) raft_applied_index: u64,
    /// When it said so, by its own clock.
    #[serde(skip)]
    pub(crate) said_at: Option<Timestamp>,
}

impl Leadership {
    /// Whether another answer can be of the same server, soon after this one.
    pub(super) fn is_of_same_server(&self, other: &Self) -> bool {
        (self.is_self, self.active_time) == (other.is_self, other.active_time)
    }
}

/// What one server says.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) address: String,
    /// Whether it answered nothing at all.
    pub(crate) is_silent: bool,
    pub(crate) health: Result<Health, String>,
    pub(crate) leadership: Result<Leadership, String>,
}

/// The server that all of them agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    /// Which of those asked.
    pub(crate) index: usize,
    /// Since when it is active.
    pub(crate) active: Timestamp,
    /// When it said so, by its own clock.
    pub(crate) said_at: Option<Timestamp>,
    /// Versions of the servers that take part.
    pub(crate) versions: Vec<String>,
    /// Its own.
    pub(crate) version: Option<String>,
    /// Of its data.
    pub(crate) cluster_id: Option<String>,
    /// What all of them have to apply to be as far as it was.
    pub(crate) committed: u64,
    /// What it had applied itself.
    applied: u64,
    /// Which of those asked were behind that.
    pub(crate) behind: Vec<usize>,
}

impl Seen {
    /// Why it takes no part, if it does not.
    fn fault(&self) -> Option<OpenBaoError> {
        let address = self.address.clone();
        match (&self.health, &self.leadership) {
            (Ok(health), _) if !health.initialized => Some(OpenBaoError::Uninitialised { address }),
            (Ok(health), _) if health.sealed => Some(OpenBaoError::Sealed { address }),
            (Err(fault), _) | (Ok(_), Err(fault)) => Some(OpenBaoError::unreachable(&address, fault.clone())),
            (Ok(_), Ok(_)) => None,
        }
    }

    /// Whether it says that it is sealed.
    pub(crate) fn is_sealed(&self) -> bool {
        self.health.as_ref().is_ok_and(|health| health.sealed)
    }
}

impl Leader {
    /// Which OpenBao it is.
    pub(crate) fn identity(&self) -> Result<Identity, OpenBaoError> {
        let (what, fault) = ("which cluster it is of", "sys/health has no cluster_id".to_owned());
        let cluster_id = self.cluster_id.clone().ok_or(OpenBaoError::Answer { what, fault })?;
        Ok(Identity { cluster_id, active_time: self.active.to_string(), raft_index: self.applied })
    }
}

/// The leader: all servers take part (with `force`: a majority), one says that it is the leader, and all name the same.
pub(crate) fn elect(seen: &[Seen], force: bool) -> Result<Leader, Vec<OpenBaoError>> {
    let mut faults: Vec<OpenBaoError> = seen.iter().filter_map(Seen::fault).collect();
    let enough = if force { seen.len() < 2 * (seen.len() - faults.len()) } else { faults.is_empty() };
    if !enough {
        if force {
            faults.push(OpenBaoError::NoLeader("fewer than a majority of the servers take part".to_owned()));
        }
        return Err(faults);
    }
    let able = || seen.iter().enumerate().filter(|(_, seen)| seen.fault().is_none());
    let leaderships: Vec<(usize, &Leadership)> =
        able().filter_map(|(index, seen)| Some((index, seen.leadership.as_ref().ok()?))).collect();
    let none = |text: String| Err(vec![OpenBaoError::NoLeader(text)]);
    let [(index, leader)] = leaderships.iter().filter(|(_, one)| one.is_self).collect::<Vec<_>>()[..] else {
        return none("not exactly one server says that it is the leader".to_owned());
    };
    if let Some((_, other)) = leaderships.iter().find(|(_, one)| one.leader_address != leader.leader_address)
    {
        return none(format!("one names {:?}, another {:?}", leader.leader_address, other.leader_address));
    }
    let Some(active) = leader.active_time else {
        return none("the leader does not say since when it is active".to_owned());
    };
    let versions = able().filter_map(|(_, seen)| Some(seen.health.as_ref().ok()?.version.clone())).collect();
    let own = seen[*index].health.as_ref().ok();
    let version = own.map(|health| health.version.clone());
    let cluster_id = own.and_then(|health| health.cluster_id.clone());
    let committed = leader.raft_committed_index;
    let behind = leaderships.iter().filter(|(_, one)| one.raft_applied_index < committed);
    let behind = behind.map(|(index, _)| *index).collect();
    Ok(Leader {
        index: *index,
        active,
        said_at: leader.said_at,
        versions,
        version,
        cluster_id,
        committed,
        applied: leader.raft_applied_index,
        behind,
    })
}

/// Who leads now, as far as it can be said: for a proof, which must not wait for servers that stay sealed.
pub(crate) fn leader_of(seen: &[Seen]) -> Option<(usize, &Leadership)> {
    let says: Vec<Option<Says<'_>>> = seen
        .iter()
        .map(|one| {
            let leadership = one.leadership.as_ref().ok()?;
            Some(Says { leads: leadership.is_self, names: &leadership.leader_address })
        })
        .collect();
    let index = proof::leader(&says)?;
    Some((index, seen[index].leadership.as_ref().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(sealed: bool) -> Health {
        Health { initialized: true, sealed, version: "2.7.2".to_owned(), cluster_id: None }
    }

    fn node(is_self: bool, leader: &str) -> Seen {
        Seen {
            address: "a".to_owned(),
            is_silent: false,
            health: Ok(health(false)),
            leadership: Ok(Leadership {
                is_self,
                active_time: is_self.then_some(Timestamp::UNIX_EPOCH),
                leader_address: leader.to_owned(),
                raft_committed_index: 7,
                raft_applied_index: 7,
                said_at: None,
            }),
        }
    }

    fn sealed() -> Seen {
        let leadership = Err("503 Vault is sealed".to_owned());
        Seen { health: Ok(health(true)), leadership, ..node(false, "") }
    }

    fn silent() -> Seen {
        Seen {
            health: Err("timed out".to_owned()),
            leadership: Err("timed out".to_owned()),
            ..node(false, "")
        }
    }

    /// Bug: a snapshot is sent to one side of a split, or to a standby, which answers 204 and seals itself.
    #[test]
    fn one_leader_that_all_agree_on() {
        let (leader, follower) = (|| node(true, "x"), || node(false, "x"));
        for (case, seen, plain, forced) in [
            ("all well", vec![follower(), leader(), follower()], true, true),
            ("one alone", vec![leader()], true, true),
            ("one sealed", vec![leader(), sealed(), follower()], false, true),
            ("one silent", vec![leader(), silent(), follower()], false, true),
            ("two silent", vec![leader(), silent(), silent()], false, false),
            ("half silent", vec![leader(), silent()], false, false),
            ("none leads", vec![follower(), follower(), follower()], false, false),
            ("two lead", vec![leader(), node(true, "y"), follower()], false, false),
            ("another is named", vec![leader(), node(false, "y"), follower()], false, false),
            ("no server", vec![], false, false),
        ] {
            assert_eq!(elect(&seen, false).is_ok(), plain, "{case}");
            assert_eq!(elect(&seen, true).is_ok(), forced, "{case}, with force");
        }
        assert_eq!(elect(&[follower(), leader()], false).unwrap().index, 1);
        assert_eq!(elect(&[leader(), sealed(), silent()], false).unwrap_err().len(), 2);
    }

    /// Bug: a server that has not got what it needs to follow is not told, or one that is ahead of the leader's answer is.
    #[test]
    fn who_is_behind_the_leader_is_told() {
        let at = |applied| {
            let mut node = node(false, "x");
            node.leadership.as_mut().unwrap().raft_applied_index = applied;
            node
        };
        let leader = elect(&[at(6), node(true, "x"), at(8)], false).unwrap();
        assert_eq!((leader.committed, leader.behind), (7, vec![0]));
    }

    /// Bug: a proof waits for servers that stay sealed, or asks a leader of before.
    #[test]
    fn a_proof_asks_whom_most_name() {
        let found = |seen: &[Seen]| leader_of(seen).map(|(index, _)| index);
        assert_eq!(found(&[sealed(), node(true, "x"), node(false, "x")]), Some(1));
        assert_eq!(found(&[node(true, "y"), node(true, "x"), node(false, "x")]), Some(1));
        assert_eq!(found(&[node(true, "x"), silent(), silent()]), None);
    }
}
