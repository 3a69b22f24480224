//! The status of a pod, computed from its containers.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::snapshot::{End, Snapshot, State, restarts};

/// Why a pod as a whole is over, whatever its containers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodEnd {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What a status is made from.
pub(super) struct View<'a> {
    pub(super) ip: Ipv4Addr,
    /// One per container, in the order of the spec.
    pub(super) snapshots: &'a [Snapshot],
    /// The pod is going, so no container starts again.
    pub(super) stopping: bool,
    /// No process of the pod is left, and none will be.
    pub(super) settled: bool,
    pub(super) end: Option<&'a PodEnd>,
    pub(super) start_time: Timestamp,
    pub(super) now: Timestamp,
}

/// The status to report; `before` is the last one, for the times at which conditions changed.
pub(super) fn compute(pod: &Pod, view: &View, before: &PodStatus) -> PodStatus {
    let spec = pod.spec.clone().unwrap_or_default();
    let phase = phase(spec.restart_policy.as_deref(), view);
    let over = matches!(phase, "Succeeded" | "Failed");
    let end = view.end.filter(|_| over);
    let statuses =
        spec.containers.iter().zip(view.snapshots).map(|(spec, snapshot)| container_status(spec, snapshot));
    PodStatus {
        phase: Some(phase.into()),
        reason: end.map(|end| end.reason.into()),
        message: end.map(|end| end.message.clone()),
        conditions: Some(conditions(phase, view, before)),
        container_statuses: Some(statuses.collect()),
        host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
        host_ips: Some(vec![HostIP { ip: Ipv4Addr::LOCALHOST.to_string() }]),
        pod_ip: Some(view.ip.to_string()),
        pod_ips: Some(vec![PodIP { ip: view.ip.to_string() }]),
        start_time: Some(Time(view.start_time)),
        ..PodStatus::default()
    }
}

fn phase(policy: Option<&str>, view: &View) -> &'static str {
    let ends: Vec<_> = view.snapshots.iter().filter_map(end_of).collect();
    let all_ended = ends.len() == view.snapshots.len();
    let final_ends = view.stopping || !ends.iter().any(|end| restarts(policy, end.code));
    if view.settled && (view.end.is_some() || view.stopping && !all_ended) {
        return "Failed";
    }
    if all_ended && final_ends && view.end.is_none() {
        return if ends.iter().all(|end| end.code == 0) { "Succeeded" } else { "Failed" };
    }
    let never_ran =
        |snapshot: &Snapshot| matches!(snapshot.state, State::Waiting { .. }) && snapshot.last.is_none();
    if view.snapshots.iter().any(never_ran) { "Pending" } else { "Running" }
}

fn end_of(snapshot: &Snapshot) -> Option<&End> {
    match &snapshot.state {
        State::Terminated(end) => Some(end),
        _ => None,
    }
}

fn conditions(phase: &str, view: &View, before: &PodStatus) -> Vec<PodCondition> {
    let ready = phase == "Running" && view.snapshots.iter().all(|snapshot| snapshot.ready);
    let unready = match phase {
        "Succeeded" => "PodCompleted",
        "Failed" => "PodFailed",
        _ => "ContainersNotReady",
    };
    let known = before.conditions.as_deref().unwrap_or_default();
    [("PodScheduled", true), ("Initialized", true), ("ContainersReady", ready), ("Ready", ready)]
        .map(|(type_, holds)| {
            let status = if holds { "True" } else { "False" };
            let same = known.iter().find(|other| other.type_ == type_ && other.status == status);
            let since = same.and_then(|other| other.last_transition_time.clone());
            PodCondition {
                type_: type_.into(),
                status: status.into(),
                // Empty rather than absent: a patch without it would keep the old one.
                reason: Some(if holds { String::new() } else { unready.into() }),
                last_transition_time: since.or(Some(Time(view.now))),
                ..PodCondition::default()
            }
        })
        .into()
}

fn container_status(spec: &Container, snapshot: &Snapshot) -> ContainerStatus {
    let image = spec.image.clone().unwrap_or_default();
    let running = matches!(snapshot.state, State::Running { .. });
    ContainerStatus {
        name: spec.name.clone(),
        image_id: image.clone(),
        image,
        container_id: snapshot.pid.map(|pid| format!("process://{pid}")),
        ready: snapshot.ready,
        started: Some(running && snapshot.started),
        restart_count: snapshot.restarts,
        state: Some(state(&snapshot.state)),
        last_state: snapshot.last.as_ref().map(terminated),
        ..ContainerStatus::default()
    }
}

fn state(state: &State) -> ContainerState {
    match state {
        State::Waiting { reason, message } => ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: Some(reason.clone()),
                message: Some(message.clone()).filter(|message| !message.is_empty()),
            }),
            ..ContainerState::default()
        },
        State::Running { since } => ContainerState {
            running: Some(ContainerStateRunning { started_at: Some(Time(*since)) }),
            ..ContainerState::default()
        },
        State::Terminated(end) => terminated(end),
    }
}

fn terminated(end: &End) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: end.code,
            reason: Some(end.reason.clone()),
            message: Some(end.message.clone()).filter(|message| !message.is_empty()),
            started_at: Some(Time(end.started)),
            finished_at: Some(Time(end.finished)),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32) -> Snapshot {
        let at = Timestamp::UNIX_EPOCH;
        let mut snapshot = Snapshot::waiting("", "");
        let (reason, message) = (String::new(), String::new());
        snapshot.state = State::Terminated(End { code, reason, message, started: at, finished: at });
        snapshot
    }

    fn running(ready: bool) -> Snapshot {
        let mut snapshot = Snapshot::waiting("", "");
        snapshot.state = State::Running { since: Timestamp::UNIX_EPOCH };
        snapshot.ready = ready;
        snapshot
    }

    fn view(snapshots: &[Snapshot]) -> View<'_> {
        let at = Timestamp::UNIX_EPOCH;
        View {
            ip: Ipv4Addr::LOCALHOST,
            snapshots,
            stopping: false,
            settled: false,
            end: None,
            start_time: at,
            now: at,
        }
    }

    #[test]
    fn the_phase_follows_the_containers() {
        let creating = Snapshot::waiting("ContainerCreating", "");
        let mut crashed = ended(1);
        crashed.enter(State::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() });
        for (policy, snapshots, expected) in [
            ("Always", vec![creating], "Pending"),
            ("Always", vec![running(false)], "Running"),
            ("Always", vec![ended(0)], "Running"),
            ("Always", vec![crashed], "Running"),
            ("OnFailure", vec![ended(1)], "Running"),
            ("OnFailure", vec![ended(0)], "Succeeded"),
            ("Never", vec![ended(0), ended(3)], "Failed"),
            ("Never", vec![ended(0), running(true)], "Running"),
        ] {
            assert_eq!(phase(Some(policy), &view(&snapshots)), expected, "{policy} {snapshots:?}");
        }
    }

    #[test]
    fn a_deleted_pod_is_over_when_its_containers_are() {
        let snapshots = [ended(0)];
        assert_eq!(phase(Some("Always"), &View { stopping: true, ..view(&snapshots) }), "Succeeded");
        let snapshots = [Snapshot::waiting("ContainerCreating", "")];
        let settled = View { stopping: true, settled: true, ..view(&snapshots) };
        assert_eq!(phase(Some("Always"), &settled), "Failed");
    }

    #[test]
    fn a_pod_past_its_deadline_fails_once_nothing_runs() {
        let end = PodEnd { reason: "DeadlineExceeded", message: String::new() };
        let snapshots = [running(true)];
        let late = View { end: Some(&end), stopping: true, ..view(&snapshots) };
        assert_eq!(phase(Some("Never"), &late), "Running");
        let snapshots = [ended(0)];
        let settled = View { end: Some(&end), stopping: true, settled: true, ..view(&snapshots) };
        assert_eq!(phase(Some("Never"), &settled), "Failed");
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_changes() {
        let later = Timestamp::from_second(60).unwrap();
        let snapshots = [running(true)];
        let before = compute(&Pod::default(), &view(&snapshots), &PodStatus::default());
        let same = compute(&Pod::default(), &View { now: later, ..view(&snapshots) }, &before);
        assert_eq!(same.conditions, before.conditions);
        let snapshots = [running(false)];
        let changed = compute(&Pod::default(), &View { now: later, ..view(&snapshots) }, &before);
        let ready = changed.conditions.iter().flatten().find(|condition| condition.type_ == "Ready").unwrap();
        assert_eq!((ready.status.as_str(), &ready.last_transition_time), ("False", &Some(Time(later))));
    }
}
