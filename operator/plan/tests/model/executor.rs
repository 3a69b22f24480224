//! The pods of a restore: prepare, claim, send once, have it proved, say it.

use super::bug::Bug;
use super::protocol::{Action, Protocol};
use super::state::{Answer, Claim, Clock, Pod, Post, Process, Report, State, Ticket};
use jiff::{SignedDuration, Timestamp};
use plan::proof::{Evidence, Lookup, Post as Sent, Verdict, judge};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// In one PUT over the version that was read: of two, one fails and reads again.
    Claim,
    /// It finds its ticket claimed, reported on, or gone.
    Lose,
    /// It was told to end, or something is not in order.
    Refuse,
    Post,
    Hear(Answer),
    /// It leaves its Report in the termination log, and on the ticket if the API server can be reached.
    Leave {
        report: Report,
        reached: bool,
    },
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
        Process::Preparing => {
            let ticket = own_ticket(state, request, pod);
            let is_open = ticket.is_some_and(|ticket| ticket.is_open());
            let in_time = state.clock < Clock::Over || bug == Some(Bug::NotAfterIgnored);
            if in_time && (is_open || (ticket.is_some() && bug == Some(Bug::TicketClaimedTwice))) {
                act(Act::Claim);
            }
            act(if is_open { Act::Refuse } else { Act::Lose });
        }
        Process::Claimed => {
            // It begins to send soon after its claim, or not at all.
            if !state.quiet[request] {
                act(Act::Post);
            }
            leave(Report::Failed, act);
        }
        Process::Sent => {
            act(Act::Hear(Answer::Unclear));
            // An acknowledgement may come early, or from a server that is no leader.
            act(Act::Hear(Answer::Acknowledged));
            if state.posts[request] == Post::NotApplied {
                act(Act::Hear(Answer::Refused));
            }
        }
        Process::Answered(answer) => {
            if bug == Some(Bug::PostRetried) && answer == Answer::Unclear {
                act(Act::Post);
            }
            let report = match proved(state, request, answer, state.quiet[request]) {
                _ if bug == Some(Bug::CompletedOnAcknowledgement) && answer == Answer::Acknowledged => {
                    Report::Done
                }
                Verdict::Applied => Report::Done,
                Verdict::NotApplied => Report::Failed,
                Verdict::Unknown => Report::Unknown,
            };
            leave(report, act);
            // No leader can be asked.
            if report != Report::Unknown {
                leave(Report::Unknown, act);
            }
        }
    }
}

fn leave(report: Report, act: &mut impl FnMut(Act)) {
    act(Act::Leave { report, reached: true });
    act(Act::Leave { report, reached: false });
}

pub(crate) fn apply(state: &mut State, request: usize, index: usize, act: Act) {
    let uid = state.pods[request][index].task.ticket;
    let ticket = state.etcd.objects[request].restore.ticket.as_mut().filter(|ticket| ticket.uid == uid);
    let process = &mut state.pods[request][index].process;
    *process = match act {
        Act::Claim => {
            if let Some(ticket) = ticket {
                ticket.claim = Claim::Pod(index);
            }
            Process::Claimed
        }
        Act::Lose => Process::Ended(None),
        Act::Refuse => {
            if let Some(ticket) = ticket {
                ticket.report = Some(Report::Failed);
            }
            Process::Ended(Some(Report::Failed))
        }
        Act::Post => {
            state.posts[request] = Post::OnItsWay;
            Process::Sent
        }
        Act::Hear(answer) => Process::Answered(answer),
        Act::Leave { report, reached } => {
            let own = |ticket: &&mut Ticket| ticket.claim == Claim::Pod(index) && ticket.report.is_none();
            if let Some(ticket) = ticket.filter(own).filter(|_| reached) {
                ticket.report = Some(report);
            }
            Process::Ended(Some(report))
        }
    };
}

fn own_ticket(state: &State, request: usize, pod: Pod) -> Option<Ticket> {
    state.etcd.objects[request].restore.ticket.filter(|ticket| ticket.uid == pod.task.ticket)
}

/// What the cluster proves, by the product's own table, to whoever got this answer.
pub(crate) fn proved(state: &State, request: usize, answer: Answer, quiet: bool) -> Verdict {
    let claimed = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
    let active_before = Timestamp::UNIX_EPOCH;
    let applied = state.posts[request] == Post::Applied;
    judge(&Evidence {
        lookup: if applied { Lookup::Absent } else { Lookup::Present },
        asked: Some(claimed),
        active_now: Some(if applied { claimed } else { active_before }),
        active_before,
        claimed,
        marker_expires: claimed + SignedDuration::from_hours(168),
        post: match answer {
            Answer::Acknowledged => Sent::Acknowledged,
            Answer::Refused => Sent::Refused,
            Answer::Unclear => Sent::Unclear,
        },
        nothing_on_its_way: quiet,
    })
}
