//! The pods of a restore: hold a POST back before its tail, ask, claim, send the tail once, have it proved, say it.

use super::bao::Traces;
use super::bug::Bug;
use super::judge::{self, Asker};
use super::protocol::{Action, Protocol};
use super::state::{Answer, Claim, Clock, Looked, Pod, Post, Process, Report, State, Ticket};
use plan::proof::Verdict;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// It looks at the servers, makes the request's marker, and sends all but the tail.
    Hold,
    /// Its connection broke, or its leader moved: it begins anew.
    Again,
    /// It asks for the snapshot's marker, and takes it out of the data where it is alive.
    Ask,
    /// In one PUT over the version that was read: of two, one fails and reads again.
    Claim,
    /// The same, and it never hears of it: it resets its POST.
    ClaimUnheard,
    /// It finds its ticket claimed, reported on, or gone.
    Lose,
    /// It was told to end, or something is not in order.
    Refuse,
    /// It has asked once more, and sends the tail.
    Tail,
    /// It notes on its ticket how its POST ended. Where that cannot be reached, nobody else hears of an answer either.
    Hear(Answer),
    /// Only a mistaken one: it takes the snapshot's marker out of the data before it reports.
    Consume,
    /// It leaves its Report in the termination log, and on the ticket if the API server can be reached. Then, and where the
    /// snapshot was applied, it takes its marker out of the data.
    Leave { report: Report, reached: bool },
}

pub(crate) fn enabled(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (request, pods) in state.pods.iter().enumerate() {
        for (index, pod) in pods.iter().enumerate() {
            acts(protocol, state, request, *pod, &mut |act| actions.push(Action::Pod(request, index, act)));
        }
    }
}

fn acts(protocol: &Protocol, state: &State, request: usize, pod: Pod, act: &mut impl FnMut(Act)) {
    let bug = protocol.bug;
    match pod.process {
        Process::None | Process::Ended(_) => {}
        Process::Late => act(Act::Lose),
        Process::Preparing | Process::Held | Process::Asked(_) => unclaimed(bug, state, request, pod, act),
        Process::Claimed => {
            // It sends the tail soon after its claim, or not at all.
            let in_time = !state.quiet[request] || bug == Some(Bug::ClaimBeforePost);
            if in_time && (!judge::finds_snapshots(state, request) || asks_nothing(bug)) {
                act(Act::Tail);
            }
            leave(report(judge::unsent(protocol, state)), act);
        }
        Process::Kept => leave(report(judge::unsent(protocol, state)), act),
        Process::Sent => hears(state.posts[request], act),
        Process::Answered { answer, watched } => concludes(protocol, state, request, (answer, watched), act),
        Process::Consumed => leave(Report::Done, act),
    }
}

fn asks_nothing(bug: Option<Bug>) -> bool {
    matches!(bug, Some(Bug::NotConsumedInLive | Bug::NotAskedBeforeClaim))
}

/// Before its claim it can be stopped, and begins anew at will.
fn unclaimed(bug: Option<Bug>, state: &State, request: usize, pod: Pod, act: &mut impl FnMut(Act)) {
    let ticket = own_ticket(state, request, pod);
    let is_open = ticket.is_some_and(|ticket| ticket.is_open());
    let in_time = state.clock < Clock::Over || bug == Some(Bug::NotAfterIgnored);
    let may_claim = is_open || (ticket.is_some() && bug == Some(Bug::TicketClaimedTwice));
    match pod.process {
        Process::Preparing if may_claim && is_checked(state, request) => act(Act::Hold),
        Process::Held => {
            act(Act::Ask);
            act(Act::Again);
        }
        Process::Asked(_) if in_time && may_claim => {
            act(Act::Claim);
            act(Act::ClaimUnheard);
        }
        _ => {}
    }
    if matches!(pod.process, Process::Asked(_)) && bug == Some(Bug::TailWithoutClaim) {
        act(Act::Tail);
    }
    act(if is_open { Act::Refuse } else { Act::Lose });
}

/// Whether the servers are those that were checked, with the data of then.
fn is_checked(state: &State, request: usize) -> bool {
    state.bao.checked[request] && state.bao.stranger.is_none()
}

fn hears(post: Post, act: &mut impl FnMut(Act)) {
    act(Act::Hear(Answer::Unclear));
    // An acknowledgement may come early, from a leader that then hangs, or from a server that leads no more.
    if post != Post::Frozen {
        act(Act::Hear(Answer::Acknowledged));
    }
    if post == Post::Dropped {
        act(Act::Hear(Answer::Refused));
    }
}

fn concludes(
    protocol: &Protocol,
    state: &State,
    request: usize,
    (answer, watched): (Answer, bool),
    act: &mut impl FnMut(Act),
) {
    let bug = protocol.bug;
    if bug == Some(Bug::PostRetried) && answer == Answer::Unclear {
        act(Act::Tail);
    }
    // Only a later one can be told that nothing is on its way.
    let asker = Asker { answer, quiet: false, watched, looked: Looked::Nothing };
    let report = match report(judge::verdict(protocol, state, request, asker)) {
        _ if bug == Some(Bug::CompletedOnAcknowledgement) && answer == Answer::Acknowledged => Report::Done,
        Report::Done if bug == Some(Bug::ConsumedBeforeReport) => return act(Act::Consume),
        report => report,
    };
    leave(report, act);
    // No leader can be asked.
    if report != Report::Unknown {
        leave(Report::Unknown, act);
    }
}

pub(crate) const fn report(verdict: Verdict) -> Report {
    match verdict {
        Verdict::Applied(_) => Report::Done,
        Verdict::NotApplied(_) => Report::Failed,
        Verdict::Unknown(_) => Report::Unknown,
    }
}

fn leave(report: Report, act: &mut impl FnMut(Act)) {
    act(Act::Leave { report, reached: true });
    act(Act::Leave { report, reached: false });
}

pub(crate) fn apply(protocol: &Protocol, state: &mut State, request: usize, index: usize, act: Act) {
    let process = state.pods[request][index].process;
    state.pods[request][index].process = match act {
        Act::Hold => Process::Held,
        Act::Again => Process::Preparing,
        Act::Ask => {
            if !asks_nothing(protocol.bug) && state.bao.has_snapshots(request) {
                state.bao.alive = false;
            }
            Process::Asked(Traces { marked: true, ..Traces::default() })
        }
        Act::Tail => {
            if let Process::Asked(_) = process {
                state.claims[request] = traces(protocol.bug, process);
            }
            // A connection that broke carries nothing.
            if process != Process::Claimed || state.posts[request] != Post::Dropped {
                state.posts[request] = Post::OnItsWay;
            }
            Process::Sent
        }
        Act::Consume => {
            state.bao.alive = false;
            Process::Consumed
        }
        Act::Claim | Act::ClaimUnheard => {
            state.claims[request] = traces(protocol.bug, process);
            if state.claims[request].behind {
                state.posts[request] = Post::Dropped;
            }
            write(state, request, index, act)
        }
        Act::Lose | Act::Refuse | Act::Hear(_) | Act::Leave { .. } => write(state, request, index, act),
    };
}

/// What is written to the ticket, where it is still the one that the pod was made for, and what the pod is then.
fn write(state: &mut State, request: usize, index: usize, act: Act) -> Process {
    let uid = state.pods[request][index].task.ticket;
    let ticket = state.etcd.objects[request].restore.ticket.as_mut().filter(|ticket| ticket.uid == uid);
    match (act, ticket) {
        (Act::Claim | Act::ClaimUnheard, Some(ticket)) => ticket.claim = Claim::Pod(index),
        (Act::Refuse, Some(ticket)) => ticket.report = Some(Report::Failed),
        // Whoever finds the claim of another pod knows nothing of what that did.
        (Act::Lose, Some(Ticket { claim: Claim::Pod(_), .. })) => {
            return Process::Ended(Some(Report::Unknown));
        }
        (Act::Hear(answer), Some(ticket)) if is_own(ticket, index) => ticket.answer = Some(answer),
        (Act::Leave { report, reached: true }, Some(ticket))
            if is_own(ticket, index) && ticket.report.is_none() =>
        {
            ticket.report = Some(report);
            state.bao.alive &= !(report == Report::Done && state.bao.has_snapshots(request));
        }
        _ => {}
    }
    match act {
        Act::Claim => Process::Claimed,
        Act::ClaimUnheard => Process::Kept,
        Act::Hear(answer) => Process::Answered { answer, watched: is_watched(state, request, answer) },
        Act::Refuse => Process::Ended(Some(Report::Failed)),
        Act::Leave { report, .. } => Process::Ended(Some(report)),
        _ => Process::Ended(None),
    }
}

fn is_own(ticket: &Ticket, index: usize) -> bool {
    ticket.claim == Claim::Pod(index)
}

/// What is claimed: what was asked for before, which a mistaken one has not.
fn traces(bug: Option<Bug>, process: Process) -> Traces {
    let Process::Asked(traces) = process else { return Traces::default() };
    if bug == Some(Bug::NotAskedBeforeClaim) { Traces { became: false, ..traces } } else { traces }
}

/// Whether the acknowledgement is one of the leader, who then applies the snapshot.
fn is_watched(state: &State, request: usize, answer: Answer) -> bool {
    let is_accepted = matches!(state.posts[request], Post::OnItsWay | Post::Thawed | Post::Applied);
    answer == Answer::Acknowledged && is_accepted && !state.claims[request].elsewhere
}

fn own_ticket(state: &State, request: usize, pod: Pod) -> Option<Ticket> {
    state.etcd.objects[request].restore.ticket.filter(|ticket| ticket.uid == pod.task.ticket)
}
