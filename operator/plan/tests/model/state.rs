//! What there is: the objects in etcd, the processes beside it, the data of the cluster. Small, and equal when nothing
//! tells two states apart: there are no versions and no times, only what follows from them.

use super::bao::{Bao, Data, Traces};
use super::operator::Look;
use super::status::Status;
use api::conditions::Reason;
use plan::restore::Outcome;

pub(crate) const REQUESTS: usize = 2;
pub(crate) const PODS: usize = 2;
/// Looks of operators on their way at once. Any replica may take them, the one that leads or one that only thinks so.
pub(crate) const LOOKS: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) etcd: Etcd,
    /// A backup of etcd.
    pub(crate) saved: Option<Box<Etcd>>,
    pub(crate) looks: [Look; LOOKS],
    /// Processes of restore Jobs. They outlive whatever happens to etcd.
    pub(crate) pods: [[Pod; PODS]; REQUESTS],
    pub(crate) bao: Bao,
    /// What became of the tail that was sent for each request: the truth.
    pub(crate) posts: [Post; REQUESTS],
    /// What is left of the attempt whose claim won, where one did.
    pub(crate) claims: [Traces; REQUESTS],
    /// Whether nothing of a POST should be on its way any more: so long is the claim, or the end of its pod, ago.
    pub(crate) quiet: [bool; REQUESTS],
    /// Whether the pause after the latest proof is over.
    pub(crate) due: [bool; REQUESTS],
    /// What the pod of the latest proof has seen so far.
    pub(crate) looked: [Looked; REQUESTS],
    pub(crate) clock: Clock,
    /// UIDs given out so far.
    pub(crate) uids: [u8; REQUESTS],
    /// What may still go wrong.
    pub(crate) troubles: u8,
    /// What the world may still do to the OpenBao.
    pub(crate) hazards: u8,
    pub(crate) record: super::invariants::Record,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Etcd {
    /// Whether each request names an `OpenBaoCluster` of its own, though there is one OpenBao.
    pub(crate) apart: bool,
    pub(crate) clusters: [Cluster; REQUESTS],
    /// Who holds the Lease of the OpenBao.
    pub(crate) arbiter: Option<usize>,
    pub(crate) requests: [Request; REQUESTS],
    pub(crate) objects: [Objects; REQUESTS],
    pub(crate) backup: Backup,
    /// Whether the namespace is going away: nothing can be made in it.
    pub(crate) terminating: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cluster {
    pub(crate) lock: Option<Holder>,
    /// `status.restores`, by request.
    pub(crate) restores: [Option<Recorded>; REQUESTS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Recorded {
    pub(crate) outcome: Outcome,
    /// Whether the check of the other request was over by then.
    pub(crate) is_late: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Restore(usize),
    Backup,
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may hold at once"
)]
pub(crate) struct Request {
    pub(crate) exists: bool,
    pub(crate) status: Status,
    /// Finalizer and `request-uid`.
    pub(crate) guarded: bool,
    /// Changes of its spec.
    pub(crate) edits: u8,
    pub(crate) deleting: bool,
    pub(crate) abandoned: bool,
    /// What a human has settled: applied or not.
    pub(crate) settled: Option<bool>,
}

/// What is made for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Objects {
    pub(crate) check: Run,
    pub(crate) restore: Run,
    /// The latest proof, and its number.
    pub(crate) proof: Run,
    pub(crate) proofs: u32,
    /// Pods of the restore that Kubernetes knows of.
    pub(crate) pods: [bool; PODS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) granted: bool,
    pub(crate) job: Option<Job>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) uid: u8,
    /// UID of the Job that it was given to.
    pub(crate) job: Option<u8>,
    pub(crate) claim: Claim,
    /// Whether a pod ever wrote to it.
    pub(crate) beats: bool,
    /// The answer to its POST that the pod has read, if it says something.
    pub(crate) answer: Option<Answer>,
    pub(crate) report: Option<Report>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Claim {
    Free,
    Operator(Reason),
    Pod(usize),
}

/// How a pod says that it ended; without words it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Report {
    Done,
    /// Nothing was changed.
    Failed,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may hold at once"
)]
pub(crate) struct Job {
    pub(crate) uid: u8,
    pub(crate) task: Task,
    pub(crate) finished: bool,
    pub(crate) deleting: bool,
    pub(crate) retired: bool,
    /// Whether its pod should have been heard of by now.
    pub(crate) overdue: bool,
}

/// What a Job's pods are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Task {
    /// UID of the ticket.
    pub(crate) ticket: u8,
    /// Changes of the spec that it was made from.
    pub(crate) edits: u8,
    /// For a proof: that nothing of a POST is on its way.
    pub(crate) quiet: bool,
    /// For a proof: the answer to the POST, where its pod has told it.
    pub(crate) answer: Option<Answer>,
}

/// One pod of a restore, as a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pod {
    pub(crate) process: Process,
    pub(crate) job: u8,
    pub(crate) task: Task,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Process {
    /// Not there yet.
    None,
    /// It came when its ticket was closed already, and can do nothing.
    Late,
    /// It prepares and beats, or begins anew.
    Preparing,
    /// All but the tail is at the leader.
    Held,
    /// The same, and the snapshot's marker is in no data: it was asked for.
    Asked(Traces),
    /// The ticket is its own; not a byte of the tail was sent.
    Claimed,
    /// The same, and none ever will be.
    Kept,
    /// The last byte was sent.
    Sent,
    Answered {
        answer: Answer,
        /// Whether the leader accepted it, and this pod has watched it ever since.
        watched: bool,
    },
    /// It has taken the snapshot's marker out of the data, as only a mistaken one does before it reports.
    Consumed,
    /// It is over; what it left in its termination log.
    Ended(Option<Report>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Acknowledged,
    Refused,
    /// None, or none that says anything.
    Unclear,
}

/// What became of a tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Post {
    None,
    OnItsWay,
    /// In the socket of a leader that is frozen.
    Frozen,
    /// The leader goes on, and answers before it comes to the tail.
    Thawed,
    Applied,
    Dropped,
}

/// The looks of a proof that found the request's marker, and not the snapshot's, with nothing on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Looked {
    #[default]
    Nothing,
    /// One has, and so have those after it.
    Unbroken,
    /// One has, and since then a leader that was frozen gave no answers for a while.
    Broken,
}

/// A backup with its Job and pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Backup {
    /// Its Job is suspended.
    Waiting,
    /// It has the lock, and its pod may run.
    Running,
    /// Its Job is being deleted; the pod has not ended.
    Ending,
    /// Its pod has ended.
    Ended,
    /// Its Job was deleted.
    Gone,
}

/// Time since the requests were created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Clock {
    Early,
    /// Past `startingDeadlineSeconds`.
    Late,
    /// Past `notAfter`.
    Over,
}

impl Pod {
    pub(crate) const NONE: Self = Self {
        process: Process::None,
        job: 0,
        task: Task { ticket: 0, edits: 0, quiet: false, answer: None },
    };

    /// Whether the process is there.
    pub(crate) fn is_alive(self) -> bool {
        !matches!(self.process, Process::None | Process::Ended(_))
    }
}

impl Ticket {
    pub(crate) const fn new(uid: u8) -> Self {
        Self { uid, job: None, claim: Claim::Free, beats: false, answer: None, report: None }
    }

    /// Whether a pod may still claim it.
    pub(crate) fn is_open(&self) -> bool {
        self.claim == Claim::Free && self.report.is_none()
    }
}

impl Post {
    /// Whether it can still come to be applied.
    pub(crate) const fn is_on_its_way(self) -> bool {
        matches!(self, Self::OnItsWay | Self::Frozen | Self::Thawed)
    }
}

impl Backup {
    pub(crate) const fn pod_left(self) -> bool {
        matches!(self, Self::Running | Self::Ending)
    }
}

impl Etcd {
    /// Which cluster a request names.
    pub(crate) const fn home(&self, request: usize) -> usize {
        if self.apart { request } else { 0 }
    }

    pub(crate) const fn cluster(&self, request: usize) -> &Cluster {
        &self.clusters[self.home(request)]
    }

    pub(crate) const fn cluster_mut(&mut self, request: usize) -> &mut Cluster {
        &mut self.clusters[self.home(request)]
    }
}

impl State {
    /// Whether a request has ended, and everything that could act for it.
    pub(crate) fn is_over(&self, request: usize) -> bool {
        let object = &self.etcd.requests[request];
        (!object.exists || object.status.phase.is_terminal())
            && !self.posts[request].is_on_its_way()
            && !self.pods[request].into_iter().any(Pod::is_alive)
    }

    /// What the pod of a proof has seen ends with it.
    pub(crate) fn end_looks(&mut self) {
        for (objects, looked) in self.etcd.objects.iter().zip(&mut self.looked) {
            if objects.proof.job.is_none_or(|job| job.finished) {
                *looked = Looked::Nothing;
            }
        }
    }

    /// Forgets what nobody reads any more, so that the same ends are one end.
    pub(crate) fn forget(&mut self) {
        for request in 0..REQUESTS {
            if !self.is_over(request) {
                continue;
            }
            for pod in &mut self.pods[request] {
                if pod.process != Process::None {
                    pod.process = Process::Ended(None);
                }
            }
            self.quiet[request] |= self.record.claimed[request];
            if let Some(ticket) = &mut self.etcd.objects[request].restore.ticket {
                ticket.report = ticket.report.and(Some(Report::Done));
                ticket.answer = None;
            }
            let became = self.claims[request].became;
            self.claims[request] = Traces { became, ..Traces::default() };
            self.bao.checked[request] = false;
            self.posts[request] = Post::None;
            if self.bao.data == Data::Of(request) {
                (self.bao.data, self.bao.alive) = (Data::Own, false);
            }
            (self.due[request], self.looked[request]) = (false, Looked::Nothing);
        }
    }

    /// Whether Kubernetes knows of a pod of the restore that has not ended.
    pub(crate) fn pods_left(&self, request: usize) -> bool {
        let known = self.etcd.objects[request].pods;
        self.pods[request].iter().zip(known).any(|(pod, known)| known && pod.is_alive())
    }
}

/// One line for whoever reads a counterexample.
impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let locks = self.etcd.clusters.map(|cluster| cluster.lock);
        write!(f, "locks {locks:?}, backup {:?}, {:?}", self.etcd.backup, self.clock)?;
        write!(f, ", data {:?}, {:?}", self.bao.data, self.bao)?;
        for request in (0..REQUESTS).filter(|request| self.etcd.requests[*request].exists) {
            let (object, run) = (&self.etcd.requests[request], &self.etcd.objects[request].restore);
            let ticket = run.ticket.map(|ticket| (ticket.uid, ticket.claim, ticket.report));
            let job = run.job.map(|job| (job.uid, job.finished));
            let pods = self.pods[request].map(|pod| pod.process);
            let (phase, applied, post) = (object.status.phase, object.status.applied, self.posts[request]);
            write!(
                f,
                "; r{request} {phase:?} {applied:?} ticket {ticket:?} job {job:?} {pods:?} {post:?} {:?}",
                self.claims[request]
            )?;
        }
        Ok(())
    }
}
