//! What goes wrong, by people and by bad luck.

use super::bao::Data;
use super::protocol::Action;
use super::protocol::Protocol;
use super::state::{Claim, Clock, Cluster, Holder, PODS, Pod, Process, REQUESTS, State, Ticket};
use super::status::Applied;
use super::world::{finish, free_slot, has_pod, known_pods, start_pod};
use api::Phase;

/// What seldom happens; each uses up one of the run's troubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trouble {
    PodDies(usize, usize),
    /// Its node does not answer and its object was removed by force; the process goes on.
    PodLost(usize, usize),
    /// The Job controller starts another pod.
    SecondPod(usize),
    /// No pod of the Job was heard of in time.
    PodOverdue(usize),
    JobDeleted(usize),
    ProofDies(usize),
    TicketDeleted(usize),
    Deleted(usize),
    /// The finalizer was taken away by hand.
    Stripped(usize),
    Replaced(usize),
    Edited(usize),
    Abandoned(usize),
    Settled(usize),
    NamespaceDeleted,
    Late,
    Over,
    /// Of a cluster.
    ForeignTakes(usize),
    /// That of a cluster, by somebody who may.
    LockCleared(usize),
    Saved,
    RolledBack,
}

pub(crate) fn troubles(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    if state.troubles == 0 {
        return;
    }
    let mut trouble = |trouble| {
        if protocol.scope.allows(trouble) {
            actions.push(Action::Trouble(trouble));
        }
    };
    for request in 0..REQUESTS {
        if state.etcd.requests[request].exists {
            human_troubles(state, request, &mut trouble);
        }
        object_troubles(state, request, &mut trouble);
    }
    if !state.etcd.terminating {
        trouble(Trouble::NamespaceDeleted);
    }
    match state.clock {
        Clock::Early => {
            trouble(Trouble::Late);
            trouble(Trouble::Over);
        }
        Clock::Late => trouble(Trouble::Over),
        Clock::Over => {}
    }
    for (cluster, Cluster { lock, .. }) in state.etcd.clusters.iter().enumerate() {
        match lock {
            None if cluster == 0 || state.etcd.apart => trouble(Trouble::ForeignTakes(cluster)),
            Some(Holder::Restore(_)) => trouble(Trouble::LockCleared(cluster)),
            _ => {}
        }
    }
    if state.saved.is_none() && !state.record.rolled_back {
        trouble(Trouble::Saved);
    }
    // A restore of etcd takes longer than any claim or POST is on its way.
    if state.saved.is_some() && state.clock == Clock::Over && is_still(state) {
        trouble(Trouble::RolledBack);
    }
}

fn is_still(state: &State) -> bool {
    let moves = |pod: &Pod| pod.is_alive() && !may_be_late(pod.process);
    !state.pods.iter().flatten().any(moves) && !state.posts.iter().any(|post| post.is_on_its_way())
}

/// Whether a pod has not claimed its ticket.
fn may_be_late(process: Process) -> bool {
    matches!(process, Process::Late | Process::Preparing | Process::Held | Process::Asked(_))
}

fn human_troubles(state: &State, request: usize, trouble: &mut impl FnMut(Trouble)) {
    let object = &state.etcd.requests[request];
    // A policy keeps a Running request; where there is none, the finalizer does.
    if !object.deleting && (object.guarded || object.status.phase != Phase::Running) {
        trouble(Trouble::Deleted(request));
    }
    if object.guarded && object.deleting {
        trouble(Trouble::Stripped(request));
    }
    if object.guarded && !object.deleting {
        trouble(Trouble::Replaced(request));
    }
    if object.edits == 0 && !object.status.phase.is_terminal() {
        trouble(Trouble::Edited(request));
    }
    if !object.abandoned && !object.status.phase.is_terminal() {
        trouble(Trouble::Abandoned(request));
    }
    let still = !state.posts[request].is_on_its_way() && !state.pods[request].into_iter().any(Pod::is_alive);
    let in_doubt = object.status.phase == Phase::Running && object.status.applied == Some(Applied::Unknown);
    if object.settled.is_none() && in_doubt && still {
        trouble(Trouble::Settled(request));
    }
}

fn object_troubles(state: &State, request: usize, trouble: &mut impl FnMut(Trouble)) {
    let objects = &state.etcd.objects[request];
    let validates = state.etcd.requests[request].status.phase == Phase::Validating;
    let fenced = |ticket: Ticket| matches!(ticket.claim, Claim::Operator(_));
    if objects.restore.ticket.is_some_and(|ticket| !(validates && fenced(ticket))) {
        trouble(Trouble::TicketDeleted(request));
    }
    if let Some(job) = objects.restore.job {
        let known = known_pods(state, request, job.uid);
        trouble(Trouble::JobDeleted(request));
        if !job.finished && !job.deleting && known == 1 && free_slot(state, request).is_some() {
            trouble(Trouble::SecondPod(request));
        }
        if !job.overdue && known == 0 {
            trouble(Trouble::PodOverdue(request));
        }
    }
    if has_pod(&objects.proof) {
        trouble(Trouble::ProofDies(request));
    }
    for index in 0..PODS {
        if state.pods[request][index].is_alive() {
            trouble(Trouble::PodDies(request, index));
            if objects.pods[index] {
                trouble(Trouble::PodLost(request, index));
            }
        }
    }
}

pub(crate) fn happen(state: &mut State, trouble: Trouble) {
    state.troubles -= 1;
    let etcd = &mut state.etcd;
    match trouble {
        Trouble::PodDies(request, pod) => state.pods[request][pod].process = Process::Ended(None),
        Trouble::PodLost(request, pod) => {
            etcd.objects[request].pods[pod] = false;
            let lost = state.pods[request][pod].job;
            let job = etcd.objects[request].restore.job.as_mut().filter(|job| job.uid == lost);
            if let Some(job) = job {
                job.finished = true;
            }
        }
        Trouble::SecondPod(request) => start_pod(state, request),
        Trouble::PodOverdue(request) => {
            etcd.objects[request].restore.job.iter_mut().for_each(|job| job.overdue = true);
        }
        Trouble::JobDeleted(request) => etcd.objects[request].restore.job = None,
        Trouble::ProofDies(request) => finish(&mut etcd.objects[request].proof),
        Trouble::TicketDeleted(request) => etcd.objects[request].restore.ticket = None,
        Trouble::Deleted(request) => etcd.requests[request].deleting = true,
        Trouble::Stripped(request) | Trouble::Replaced(request) => etcd.requests[request].guarded = false,
        Trouble::Edited(request) => etcd.requests[request].edits += 1,
        Trouble::Abandoned(request) => etcd.requests[request].abandoned = true,
        Trouble::Settled(request) => {
            etcd.requests[request].settled = Some(state.bao.data == Data::Of(request));
        }
        Trouble::NamespaceDeleted => {
            etcd.terminating = true;
            etcd.requests.iter_mut().for_each(|request| request.deleting = true);
        }
        Trouble::Late => state.clock = Clock::Late,
        Trouble::Over => state.clock = Clock::Over,
        Trouble::ForeignTakes(cluster) => etcd.clusters[cluster].lock = Some(Holder::Foreign),
        Trouble::LockCleared(cluster) => etcd.clusters[cluster].lock = None,
        Trouble::Saved => state.saved = Some(Box::new(etcd.clone())),
        Trouble::RolledBack => {
            if let Some(saved) = state.saved.take() {
                state.etcd = *saved;
            }
        }
    }
}
