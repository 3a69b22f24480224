//! What one look reads, and how the plan sees it: the objects of the API, as the operator would read them.

use super::bao::Snapshot;
use super::seen::{self, Age, name, start, uid};
use super::state::{
    Backup, Claim, Clock, Holder, Objects, PODS, Process, REQUESTS, Report, Request, Run, State, Ticket,
};
use super::status::Statuses;
use api::cluster::RestoreRecord;
use api::{OpenBaoCluster, OpenBaoRestore, names};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::restore::arbiter::ArbiterSeen;
use plan::restore::{JobSeen, Observed, Outcome, PodsSeen, proof_number};
use plan::restore::{Rival as SeenRival, Run as SeenRun};
use serde_json::json;

/// Proofs of one request that can be told from each other.
pub(crate) const MOST_PROOFS: u32 = 1;

/// All that one look at a request reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may hold at once"
)]
pub(crate) struct Sight {
    pub(crate) index: usize,
    pub(crate) request: Request,
    /// Whether the request may override the lock.
    pub(crate) overrides: bool,
    pub(crate) snapshot: Snapshot,
    pub(crate) lock: Option<Holder>,
    pub(crate) arbiter: Option<Arbiter>,
    /// Whether it has an `OpenBaoCluster` of its own.
    pub(crate) apart: bool,
    pub(crate) recorded: Option<Outcome>,
    /// What was done by another request after the check of this one.
    pub(crate) since: Option<Outcome>,
    pub(crate) objects: Objects,
    pub(crate) pods_left: bool,
    /// Whether the pod that claimed the ticket is known to have ended.
    pub(crate) claimant_ended: bool,
    /// What it left in its termination log; where none is known that claimed it, what one left that says it acted.
    pub(crate) heard: Option<Report>,
    pub(crate) quiet: bool,
    pub(crate) due: bool,
    pub(crate) clock: Clock,
    pub(crate) rival: Option<Rival>,
    pub(crate) terminating: bool,
}

/// Who holds the Lease of the OpenBao, and what is known of them where they name another cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Arbiter {
    pub(crate) holder: usize,
    owner: Option<Rival>,
}

/// Who else of ours holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rival {
    Restore { index: usize, request: Request, ticket: Option<Ticket>, pods_left: bool, age: Age },
    Backup(Backup),
}

/// Who of ours holds the lock of a cluster.
pub(crate) fn owner(state: &State, cluster: usize) -> Option<Rival> {
    match state.etcd.clusters[cluster].lock? {
        Holder::Restore(index) => Some(Rival::restore(state, index)),
        Holder::Backup => Some(Rival::Backup(state.etcd.backup)),
        Holder::Foreign => None,
    }
}

/// Reads the world for a request that was read before.
pub(crate) fn look(state: &State, index: usize, request: Request, overrides: bool) -> Sight {
    let etcd = &state.etcd;
    let mut objects = etcd.objects[index];
    let claim = objects.restore.ticket.map(|ticket| ticket.claim);
    let claimant = match claim {
        Some(Claim::Pod(pod)) if objects.pods[pod] => Some(pod),
        _ => None,
    };
    let known = (0..PODS).filter(|pod| objects.pods[*pod]);
    let mut ended = known.filter_map(|pod| match state.pods[index][pod].process {
        Process::Ended(words) => Some((pod, words)),
        _ => None,
    });
    let (claimant_ended, heard) = match claimant {
        Some(pod) => {
            let end = ended.find(|(of, _)| *of == pod);
            (end.is_some(), end.and_then(|(_, words)| words))
        }
        None => (false, ended.find_map(|(_, words)| words.filter(|words| *words != Report::Failed))),
    };
    objects.pods = Objects::default().pods;
    let cluster = etcd.cluster(index);
    let is_own = cluster.lock == Some(Holder::Restore(index));
    let others = (0..REQUESTS).filter(|other| *other != index).find_map(|other| cluster.restores[other]);
    Sight {
        index,
        request,
        overrides,
        snapshot: state.bao.snapshot,
        lock: cluster.lock,
        arbiter: etcd.arbiter.map(|holder| Arbiter {
            holder,
            owner: (etcd.apart && holder != index).then(|| Rival::restore(state, holder)),
        }),
        apart: etcd.apart,
        recorded: cluster.restores[index].map(|recorded| recorded.outcome),
        since: others.filter(|other| other.is_late).map(|other| other.outcome),
        objects,
        pods_left: state.pods_left(index),
        claimant_ended,
        heard,
        quiet: state.quiet[index],
        due: state.due[index],
        clock: state.clock,
        rival: if is_own { None } else { owner(state, etcd.home(index)) },
        terminating: etcd.terminating,
    }
}

impl Clock {
    pub(crate) fn now(self) -> Timestamp {
        let minutes = match self {
            Self::Early => 1,
            Self::Late => 62,
            Self::Over => 180,
        };
        start() + SignedDuration::from_mins(minutes)
    }
}

impl Sight {
    /// Sees the OpenBao as its own.
    pub(crate) fn pass_arbiter(&mut self) {
        self.arbiter = Some(Arbiter { holder: self.index, owner: None });
    }

    /// The same, as the plan takes it.
    pub(crate) fn observed(&self, statuses: &Statuses) -> Observed {
        let now = self.clock.now();
        let request = self.request(statuses);
        let objects = &self.objects;
        let is_named = proof_number(&request) == Some(objects.proofs);
        // Where the end of the pod tells that nothing is on its way, the time has not to.
        let told = self.quiet && !self.claimant_ended;
        let age = Age { snapshot: self.snapshot, quiet: self.quiet, told };
        let own = |run: &Run| seen::run(run, self.index, now, age);
        Observed {
            judgement: None,
            storage_allow_cidrs: String::new(),
            namespace_terminating: self.terminating,
            cluster: Some(self.cluster(&request)),
            check: SeenRun {
                ticket: objects
                    .check
                    .ticket
                    .map(|ticket| seen::checked(seen::ticket(&ticket, self.index, now, age))),
                ..own(&objects.check)
            },
            restore: SeenRun {
                ticket: objects.restore.ticket.map(|ticket| seen::ticket(&ticket, self.index, now, age)),
                pods: self.pods(),
                ..own(&objects.restore)
            },
            proof: if is_named { self.proof(now) } else { SeenRun::default() },
            rival: self.rival.as_ref().map(|rival| rival.observed(statuses, now)),
            arbiter: self.arbiter.as_ref().map(|arbiter| ArbiterSeen {
                holder: Some(seen::arbiter_holder(arbiter.holder, self.apart)),
                owner: arbiter.owner.as_ref().map(|owner| owner.observed(statuses, now)),
            }),
            request,
        }
    }

    fn request(&self, statuses: &Statuses) -> OpenBaoRestore {
        let Request { status, guarded, edits, deleting, abandoned, settled, .. } = self.request;
        let mut request: OpenBaoRestore = serde_json::from_value(json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore",
            "metadata": {"name": name(self.index), "namespace": "n", "uid": uid(self.index)},
            "spec": {"cluster": seen::cluster(self.index, self.apart), "jwtAuthRole": "r", "force": self.overrides,
                     "overrideOperationLock": self.overrides,
                     "source": {"key": "k.snap", "target": {"bucket": "b"}}}
        }))
        .unwrap();
        let metadata = &mut request.metadata;
        metadata.creation_timestamp = Some(Time(start()));
        metadata.generation = Some(1 + i64::from(edits) + i64::from(deleting));
        metadata.deletion_timestamp = deleting.then(|| Time(start()));
        let annotations = metadata.annotations.get_or_insert_default();
        let own = uid(self.index);
        if guarded {
            metadata.finalizers = Some(vec![names::FINALIZER.to_owned()]);
            annotations.insert(names::REQUEST_UID.to_owned(), own.clone());
            annotations.insert(names::REQUEST_NAME.to_owned(), name(self.index));
        }
        if abandoned {
            annotations.insert(names::ABANDON.to_owned(), own.clone());
        }
        if let Some(applied) = settled {
            let outcome = if applied { Outcome::Applied } else { Outcome::NotApplied };
            annotations.insert(names::OUTCOME.to_owned(), format!("{own}/{}", outcome.as_str()));
        }
        request.status = Some(statuses.get(status));
        request
    }

    fn cluster(&self, request: &OpenBaoRestore) -> OpenBaoCluster {
        let mut cluster: OpenBaoCluster = serde_json::from_value(json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": request.spec.cluster, "namespace": "n"}, "spec": {}, "status": {}
        }))
        .unwrap();
        let status = cluster.status.get_or_insert_default();
        status.operation_lock = self.lock.map(seen::lock);
        status.restores.extend(self.recorded.map(|outcome| RestoreRecord {
            name: name(self.index),
            uid: uid(self.index),
            intent_digest: api::intent::digest(request),
            outcome: outcome.as_str().to_owned(),
            ..RestoreRecord::default()
        }));
        let other = 1 - self.index;
        status.restores.extend(self.since.map(|outcome| RestoreRecord {
            name: name(other),
            uid: uid(other),
            outcome: outcome.as_str().to_owned(),
            time: Some(Time(start())),
            ..RestoreRecord::default()
        }));
        cluster
    }

    fn pods(&self) -> PodsSeen {
        let ago = SignedDuration::from_secs(if self.quiet { 120 } else { 0 });
        PodsSeen {
            left: self.pods_left,
            stuck: None,
            claimant_terminated: self.claimant_ended.then(|| self.clock.now() - ago),
            claimant_report: self.heard.map(seen::report),
            ended: None,
        }
    }

    fn proof(&self, now: Timestamp) -> SeenRun {
        let age = SignedDuration::from_hours(i64::from(self.due));
        let told = Age { snapshot: self.snapshot, quiet: false, told: false };
        let mut proof = seen::run(&self.objects.proof, self.index, now, told);
        proof.ticket.iter_mut().for_each(|ticket| ticket.created = Some(now - age));
        proof
    }
}

impl Rival {
    fn restore(state: &State, index: usize) -> Self {
        Self::Restore {
            index,
            request: state.etcd.requests[index],
            ticket: state.etcd.objects[index].restore.ticket,
            pods_left: state.pods_left(index),
            age: Age { snapshot: state.bao.snapshot, quiet: state.quiet[index], told: state.quiet[index] },
        }
    }

    pub(crate) fn observed(&self, statuses: &Statuses, now: Timestamp) -> SeenRival {
        match self {
            Self::Restore { index, request, ticket, pods_left, age } => SeenRival::Restore {
                over: !request.exists || (request.status.phase.is_terminal() && !request.guarded),
                recorded: request.exists.then(|| statuses.get(request.status).ticket_uid).flatten(),
                ticket: ticket.map(|ticket| seen::ticket(&ticket, *index, now, *age)),
                pods_left: *pods_left,
            },
            Self::Backup(backup) => {
                let job = JobSeen {
                    finished: *backup == Backup::Ended,
                    deleting: *backup == Backup::Ending,
                    ..JobSeen::default()
                };
                let job = (*backup != Backup::Gone).then_some(job);
                SeenRival::Backup { job, pods_left: backup.pod_left() }
            }
        }
    }
}
