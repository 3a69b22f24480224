//! Whoever acts beside operator and executor, in the ordinary course of things: Kubernetes, the servers, a backup, time.

use super::bao::{self, Data};
use super::bug::Bug;
use super::executor;
use super::judge::{self, Asker};
use super::liveness::can_tell;
use super::protocol::{Action, Protocol};
use super::state::{
    Answer, Backup, Claim, Holder, Job, Looked, Objects, Pod, Post, Process, REQUESTS, Report, Run, State,
};
use api::Phase;

/// What happens in the ordinary course of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    PodStarts(usize),
    JobFinishes(usize),
    /// A Job that is deleted in foreground, after its pods.
    JobGoes(usize),
    CheckReports(usize, Report),
    ProofReports(usize, Report),
    /// The pod of a proof finds for the first time that nothing seems to be applied.
    FirstLook(usize),
    /// The pause after a proof is over, and another one could tell more.
    Due(usize),
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
    /// A leader that was frozen with a tail in its socket goes on.
    Thaws(usize),
    /// The raft log gets as far as it was at the claim.
    Climbs(usize),
    Quiet(usize),
    BackupBegins,
    BackupPodEnds,
    BackupReleases,
    /// The lock of a cluster.
    ForeignReleases(usize),
}

pub(crate) fn events(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
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
            proof_events(protocol, state, request, &mut event);
        } else if has_pod(&objects.proof) {
            event(Event::ProofEnds(request));
        }
        bao_events(state, request, &mut event);
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
    }
    backup_events(state, &mut event);
    for (cluster, found) in state.etcd.clusters.iter().enumerate() {
        if found.lock == Some(Holder::Foreign) {
            event(Event::ForeignReleases(cluster));
        }
    }
}

pub(crate) fn has_pod(run: &Run) -> bool {
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

fn bao_events(state: &State, request: usize, event: &mut impl FnMut(Event)) {
    match state.posts[request] {
        Post::OnItsWay | Post::Thawed => {
            event(Event::Applied(request));
            event(Event::Dropped(request));
        }
        Post::Frozen => event(Event::Thaws(request)),
        Post::None | Post::Applied | Post::Dropped => {}
    }
    let is_over = state.is_over(request);
    // That long no tail is on its way, but in the socket of a server that is frozen.
    let may_be_quiet = state.posts[request] != Post::OnItsWay && state.record.claimed[request];
    if may_be_quiet && !state.quiet[request] && !is_over {
        event(Event::Quiet(request));
    }
    if state.claims[request].behind && !is_over {
        event(Event::Climbs(request));
    }
    if is_worth_another_proof(state, request) {
        event(Event::Due(request));
    }
}

/// Any other one would say what the last one has said.
fn is_worth_another_proof(state: &State, request: usize) -> bool {
    let proof = &state.etcd.objects[request].proof;
    let is_running = state.etcd.requests[request].status.phase == Phase::Running;
    let is_over = proof.ticket.is_some_and(|ticket| match ticket.report {
        Some(report) => report == Report::Unknown,
        None => ticket.job.or(proof.job.map(|job| job.uid)).is_some() && !has_pod(proof),
    });
    let can_prove = state.bao.data == Data::Of(request) || state.quiet[request];
    is_running && is_over && !state.due[request] && can_prove && can_tell(state, request)
}

fn proof_events(protocol: &Protocol, state: &State, request: usize, event: &mut impl FnMut(Event)) {
    let Some(task) = state.etcd.objects[request].proof.job.map(|job| job.task) else { return };
    let looked = state.looked[request];
    let answer = task.answer.unwrap_or(Answer::Unclear);
    let asker = Asker { answer, quiet: task.quiet, watched: false, looked };
    match executor::report(judge::verdict(protocol, state, request, asker)) {
        Report::Unknown => {}
        report => event(Event::ProofReports(request, report)),
    }
    if looked != Looked::Unbroken && judge::stays(protocol, state, request, asker) {
        event(Event::FirstLook(request));
    }
    event(Event::ProofReports(request, Report::Unknown));
}

fn backup_events(state: &State, event: &mut impl FnMut(Event)) {
    let lock = state.etcd.clusters[0].lock;
    match state.etcd.backup {
        Backup::Waiting if lock.is_none() => event(Event::BackupBegins),
        Backup::Running | Backup::Ending => event(Event::BackupPodEnds),
        Backup::Ended | Backup::Gone if lock == Some(Holder::Backup) => event(Event::BackupReleases),
        _ => {}
    }
}

pub(crate) fn known_pods(state: &State, request: usize, job: u8) -> usize {
    let known = state.etcd.objects[request].pods;
    state.pods[request].iter().zip(known).filter(|(pod, known)| *known && pod.job == job).count()
}

pub(crate) fn free_slot(state: &State, request: usize) -> Option<usize> {
    state.pods[request].iter().position(|pod| pod.process == Process::None)
}

pub(crate) fn happen(bug: Option<Bug>, state: &mut State, event: Event) {
    let etcd = &mut state.etcd;
    match event {
        Event::PodStarts(request) => start_pod(state, request),
        Event::JobFinishes(request) => finish(&mut etcd.objects[request].restore),
        Event::JobGoes(request) | Event::JobSwept(request) => etcd.objects[request].restore.job = None,
        Event::CheckReports(request, report) => {
            end(&mut etcd.objects[request].check, report);
            state.bao.alive &= bug != Some(Bug::ConsumedByCheck);
        }
        Event::ProofReports(request, report) => {
            end(&mut etcd.objects[request].proof, report);
            state.bao.alive &= !(report == Report::Done && state.bao.has_snapshots(request));
        }
        Event::FirstLook(request) => state.looked[request] = Looked::Unbroken,
        Event::Due(request) => state.due[request] = true,
        Event::Collected(request) => {
            let pods = etcd.objects[request].pods;
            etcd.objects[request] = Objects { pods, ..Objects::default() };
        }
        Event::CheckEnds(request) => finish(&mut etcd.objects[request].check),
        Event::ProofEnds(request) => finish(&mut etcd.objects[request].proof),
        Event::TicketSwept(request) => etcd.objects[request].restore.ticket = None,
        Event::Applied(request) => {
            state.posts[request] = Post::Applied;
            bao::replace(state, Data::Of(request), None);
        }
        Event::Dropped(request) => bao::drop_post(state, request),
        Event::Thaws(request) => state.posts[request] = Post::Thawed,
        Event::Climbs(request) => state.claims[request].behind = false,
        Event::Quiet(request) => state.quiet[request] = true,
        Event::BackupBegins => {
            (etcd.clusters[0].lock, etcd.backup) = (Some(Holder::Backup), Backup::Running);
        }
        Event::BackupPodEnds => {
            let deleted = etcd.backup == Backup::Ending;
            etcd.backup = if deleted { Backup::Gone } else { Backup::Ended };
        }
        Event::BackupReleases => etcd.clusters[0].lock = None,
        Event::ForeignReleases(cluster) => etcd.clusters[cluster].lock = None,
    }
}

/// A check or a proof claims its ticket at its start, and reports on it.
fn end(run: &mut Run, report: Report) {
    run.ticket.iter_mut().for_each(|ticket| {
        (ticket.claim, ticket.beats, ticket.report) = (Claim::Pod(0), true, Some(report));
    });
    finish(run);
}

pub(crate) fn finish(run: &mut Run) {
    run.job.iter_mut().for_each(|job| job.finished = true);
}

pub(crate) fn start_pod(state: &mut State, request: usize) {
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
