//! Whoever acts beside operator and executor: Kubernetes, the servers, a backup, time, people, and bad luck.

use super::executor;
use super::protocol::{Action, Protocol};
use super::state::{
    Answer, Backup, Claim, Clock, Holder, Job, Objects, PODS, Pod, Post, Process, REQUESTS, Report, Run,
    State, Ticket,
};
use super::status::Applied;
use api::Phase;
use plan::proof::Verdict;

/// What happens in the ordinary course of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    PodStarts(usize),
    JobFinishes(usize),
    /// A Job that is deleted in foreground, after its pods.
    JobGoes(usize),
    CheckReports(usize, Report),
    ProofReports(usize, Report),
    /// The pod of a check or a proof finds its ticket claimed or gone.
    CheckEnds(usize),
    ProofEnds(usize),
    /// What belonged to a request that is gone.
    Collected(usize),
    /// The end of its namespace reaches the ticket, or the Job.
    TicketSwept(usize),
    JobSwept(usize),
    Applied(usize),
    Dropped(usize),
    Quiet(usize),
    BackupBegins,
    BackupPodEnds,
    BackupReleases,
    ForeignReleases,
}

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
    ForeignTakes,
    /// By somebody who may.
    LockCleared,
    Saved,
    RolledBack,
}

pub(crate) fn events(state: &State, actions: &mut Vec<Action>) {
    let mut event = |event| actions.push(Action::Event(event));
    for request in 0..REQUESTS {
        let objects = &state.etcd.objects[request];
        if let Some(job) = objects.restore.job {
            job_events(state, request, job, &mut event);
        }
        if is_at_work(&objects.check) {
            event(Event::CheckReports(request, Report::Done));
            event(Event::CheckReports(request, Report::Failed));
        } else if has_pod(&objects.check) {
            event(Event::CheckEnds(request));
        }
        if is_at_work(&objects.proof) {
            proof_events(state, request, &mut event);
        } else if has_pod(&objects.proof) {
            event(Event::ProofEnds(request));
        }
        if !state.etcd.requests[request].exists
            && *objects != (Objects { pods: objects.pods, ..Objects::default() })
        {
            event(Event::Collected(request));
        }
        if state.etcd.terminating && objects.restore.ticket.is_some() {
            event(Event::TicketSwept(request));
        }
        if state.etcd.terminating && objects.restore.job.is_some() {
            event(Event::JobSwept(request));
        }
        if state.posts[request] == Post::OnItsWay {
            event(Event::Applied(request));
            event(Event::Dropped(request));
        } else if !state.quiet[request] && state.record.claimed[request] && !state.is_over(request) {
            event(Event::Quiet(request));
        }
    }
    backup_events(state, &mut event);
    if state.etcd.cluster.lock == Some(Holder::Foreign) {
        event(Event::ForeignReleases);
    }
}

fn has_pod(run: &Run) -> bool {
    run.job.is_some_and(|job| !job.finished)
}

fn is_at_work(run: &Run) -> bool {
    has_pod(run) && run.ticket.is_some_and(|ticket| ticket.is_open())
}

fn job_events(state: &State, request: usize, job: Job, event: &mut impl FnMut(Event)) {
    let known = known_pods(state, request, job.uid);
    let alive = state.pods_left(request);
    let has_room = free_slot(state, request).is_some();
    if !job.finished && !job.deleting && known == 0 && has_room {
        event(Event::PodStarts(request));
    }
    // A pod more than are modelled never starts, and its Job ends by its deadline.
    if !job.finished && !job.deleting && (known > 0 || !has_room) && !alive {
        event(Event::JobFinishes(request));
    }
    if job.deleting && !alive {
        event(Event::JobGoes(request));
    }
}

fn proof_events(state: &State, request: usize, event: &mut impl FnMut(Event)) {
    let quiet = state.etcd.objects[request].proof.job.is_some_and(|job| job.task.quiet);
    match executor::proved(state, request, Answer::Unclear, quiet) {
        Verdict::Applied => event(Event::ProofReports(request, Report::Done)),
        Verdict::NotApplied => event(Event::ProofReports(request, Report::Failed)),
        Verdict::Unknown => {}
    }
    event(Event::ProofReports(request, Report::Unknown));
}

fn backup_events(state: &State, event: &mut impl FnMut(Event)) {
    let lock = state.etcd.cluster.lock;
    match state.etcd.backup {
        Backup::Waiting if lock.is_none() => event(Event::BackupBegins),
        Backup::Running | Backup::Ending => event(Event::BackupPodEnds),
        Backup::Ended | Backup::Gone if lock == Some(Holder::Backup) => event(Event::BackupReleases),
        _ => {}
    }
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
    match state.etcd.cluster.lock {
        None => trouble(Trouble::ForeignTakes),
        Some(Holder::Restore(_)) => trouble(Trouble::LockCleared),
        Some(_) => {}
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
    let moves = |pod: &Pod| matches!(pod.process, Process::Claimed | Process::Sent | Process::Answered(_));
    !state.pods.iter().flatten().any(moves) && !state.posts.contains(&Post::OnItsWay)
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
    let still = state.posts[request] != Post::OnItsWay && !state.pods[request].into_iter().any(Pod::is_alive);
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

fn known_pods(state: &State, request: usize, job: u8) -> usize {
    let known = state.etcd.objects[request].pods;
    state.pods[request].iter().zip(known).filter(|(pod, known)| *known && pod.job == job).count()
}

fn free_slot(state: &State, request: usize) -> Option<usize> {
    state.pods[request].iter().position(|pod| pod.process == Process::None)
}

pub(crate) fn happen(state: &mut State, event: Event) {
    let etcd = &mut state.etcd;
    match event {
        Event::PodStarts(request) => start_pod(state, request),
        Event::JobFinishes(request) => finish(&mut etcd.objects[request].restore),
        Event::JobGoes(request) | Event::JobSwept(request) => etcd.objects[request].restore.job = None,
        Event::CheckReports(request, report) => end(&mut etcd.objects[request].check, report),
        Event::ProofReports(request, report) => end(&mut etcd.objects[request].proof, report),
        Event::Collected(request) => {
            let pods = etcd.objects[request].pods;
            etcd.objects[request] = Objects { pods, ..Objects::default() };
        }
        Event::CheckEnds(request) => finish(&mut etcd.objects[request].check),
        Event::ProofEnds(request) => finish(&mut etcd.objects[request].proof),
        Event::TicketSwept(request) => etcd.objects[request].restore.ticket = None,
        Event::Applied(request) => state.posts[request] = Post::Applied,
        Event::Dropped(request) => state.posts[request] = Post::NotApplied,
        Event::Quiet(request) => state.quiet[request] = true,
        Event::BackupBegins => {
            (etcd.cluster.lock, etcd.backup) = (Some(Holder::Backup), Backup::Running);
        }
        Event::BackupPodEnds => {
            let deleted = etcd.backup == Backup::Ending;
            etcd.backup = if deleted { Backup::Gone } else { Backup::Ended };
        }
        Event::BackupReleases | Event::ForeignReleases => etcd.cluster.lock = None,
    }
}

/// A check or a proof claims its ticket at its start, and reports on it.
fn end(run: &mut Run, report: Report) {
    run.ticket.iter_mut().for_each(|ticket| {
        (ticket.claim, ticket.beats, ticket.report) = (Claim::Pod(0), true, Some(report));
    });
    finish(run);
}

fn finish(run: &mut Run) {
    run.job.iter_mut().for_each(|job| job.finished = true);
}

fn start_pod(state: &mut State, request: usize) {
    let objects = &mut state.etcd.objects[request];
    let (Some(job), Some(slot)) =
        (objects.restore.job, state.pods[request].iter().position(|pod| pod.process == Process::None))
    else {
        return;
    };
    let ticket = objects.restore.ticket.as_mut().filter(|ticket| ticket.uid == job.task.ticket);
    let process = match ticket {
        Some(ticket) if ticket.is_open() => {
            ticket.beats = true;
            Process::Preparing
        }
        _ => Process::Late,
    };
    objects.pods[slot] = true;
    state.pods[request][slot] = Pod { process, job: job.uid, task: job.task };
}

pub(crate) fn trouble(state: &mut State, trouble: Trouble) {
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
            etcd.requests[request].settled = Some(state.posts[request] == Post::Applied);
        }
        Trouble::NamespaceDeleted => {
            etcd.terminating = true;
            etcd.requests.iter_mut().for_each(|request| request.deleting = true);
        }
        Trouble::Late => state.clock = Clock::Late,
        Trouble::Over => state.clock = Clock::Over,
        Trouble::ForeignTakes => etcd.cluster.lock = Some(Holder::Foreign),
        Trouble::LockCleared => etcd.cluster.lock = None,
        Trouble::Saved => state.saved = Some(Box::new(etcd.clone())),
        Trouble::RolledBack => {
            if let Some(saved) = state.saved.take() {
                state.etcd = *saved;
            }
        }
    }
}
