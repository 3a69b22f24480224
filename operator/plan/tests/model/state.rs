//! What there is: the objects in etcd, the processes beside it, the data of the cluster. Small, and equal when nothing
//! tells two states apart: there are no versions and no times, only what follows from them.

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
    /// What became of what was `POST`ed for each request: the truth.
    pub(crate) posts: [Post; REQUESTS],
    /// Whether nothing of a POST can be on its way any more: so long is the claim, or the end of its pod, ago.
    pub(crate) quiet: [bool; REQUESTS],
    pub(crate) clock: Clock,
    /// UIDs given out so far.
    pub(crate) uids: [u8; REQUESTS],
    /// What may still go wrong.
    pub(crate) troubles: u8,
    pub(crate) record: super::invariants::Record,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Etcd {
    pub(crate) cluster: Cluster,
    pub(crate) requests: [Request; REQUESTS],
    pub(crate) objects: [Objects; REQUESTS],
    pub(crate) backup: Backup,
    /// Whether the namespace is going away: nothing can be made in it.
    pub(crate) terminating: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cluster {
    pub(crate) lock: Option<Holder>,
    /// `status.restores`, by request.
    pub(crate) restores: [Option<Outcome>; REQUESTS],
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
    /// It prepares and beats.
    Preparing,
    /// The ticket is its own; not a byte was sent.
    Claimed,
    /// The last byte was sent.
    Sent,
    /// So the server answered.
    Answered(Answer),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Post {
    None,
    OnItsWay,
    Applied,
    NotApplied,
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
    pub(crate) const NONE: Self =
        Self { process: Process::None, job: 0, task: Task { ticket: 0, edits: 0, quiet: false } };

    /// Whether the process is there.
    pub(crate) fn is_alive(self) -> bool {
        !matches!(self.process, Process::None | Process::Ended(_))
    }
}

impl Ticket {
    pub(crate) const fn new(uid: u8) -> Self {
        Self { uid, job: None, claim: Claim::Free, beats: false, report: None }
    }

    /// Whether a pod may still claim it.
    pub(crate) fn is_open(&self) -> bool {
        self.claim == Claim::Free && self.report.is_none()
    }
}

impl Backup {
    pub(crate) const fn pod_left(self) -> bool {
        matches!(self, Self::Running | Self::Ending)
    }
}

impl State {
    /// Whether a request has ended, and everything that could act for it.
    pub(crate) fn is_over(&self, request: usize) -> bool {
        let object = &self.etcd.requests[request];
        (!object.exists || object.status.phase.is_terminal())
            && self.posts[request] != Post::OnItsWay
            && !self.pods[request].into_iter().any(Pod::is_alive)
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
            }
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
        write!(f, "lock {:?}, backup {:?}, {:?}", self.etcd.cluster.lock, self.etcd.backup, self.clock)?;
        for request in (0..REQUESTS).filter(|request| self.etcd.requests[*request].exists) {
            let (object, run) = (&self.etcd.requests[request], &self.etcd.objects[request].restore);
            let ticket = run.ticket.map(|ticket| (ticket.uid, ticket.claim, ticket.report));
            let job = run.job.map(|job| (job.uid, job.finished));
            let pods = self.pods[request].map(|pod| pod.process);
            let (phase, applied, post) = (object.status.phase, object.status.applied, self.posts[request]);
            write!(f, "; r{request} {phase:?} {applied:?} ticket {ticket:?} job {job:?} {pods:?} {post:?}")?;
        }
        Ok(())
    }
}
