//! What is known of one container at a moment, and what follows from its end.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus};

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: i32,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting { reason: String, message: String },
    Running { since: Timestamp },
    Terminated(End),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) state: State,
    /// The end before this one.
    pub(super) last: Option<End>,
    pub(super) restarts: i32,
    pub(super) started: bool,
    pub(super) ready: bool,
    /// Process id of the sandbox's outer stage, while it runs.
    pub(super) pid: Option<i32>,
}

impl Snapshot {
    pub(super) fn waiting(reason: &str, message: &str) -> Self {
        let state = State::Waiting { reason: reason.into(), message: message.into() };
        Self { state, last: None, restarts: 0, started: false, ready: false, pid: None }
    }

    /// Replaces the state; what only a running container has is gone.
    pub(super) fn enter(&mut self, state: State) {
        if let State::Terminated(end) = &self.state {
            self.last = Some(end.clone());
        }
        self.state = state;
        self.started = false;
        self.ready = false;
        self.pid = None;
    }

    /// What an earlier run of the node reported. A container that ran then runs no more: its process ended with that
    /// node, and nobody saw how.
    pub(super) fn restored(status: &ContainerStatus, now: Timestamp) -> Self {
        let mut snapshot = Self::waiting("ContainerCreating", "");
        snapshot.restarts = status.restart_count;
        snapshot.last = status.last_state.as_ref().and_then(ended);
        let Some(state) = &status.state else { return snapshot };
        if let Some(end) = ended(state) {
            snapshot.state = State::Terminated(end);
        } else if let Some(running) = &state.running {
            snapshot.state = State::Terminated(End {
                code: 137,
                reason: "ContainerStatusUnknown".into(),
                message: "the node was restarted while the container ran".into(),
                started: running.started_at.as_ref().map_or(now, |time| time.0),
                finished: now,
            });
        }
        snapshot
    }
}

fn ended(state: &ContainerState) -> Option<End> {
    let terminated: &ContainerStateTerminated = state.terminated.as_ref()?;
    Some(End {
        code: terminated.exit_code,
        reason: terminated.reason.clone().unwrap_or_default(),
        message: terminated.message.clone().unwrap_or_default(),
        started: terminated.started_at.as_ref()?.0,
        finished: terminated.finished_at.as_ref()?.0,
    })
}

/// Does a container that ended with `code` start again?
pub(super) fn restarts(policy: Option<&str>, code: i32) -> bool {
    match policy {
        Some("Never") => false,
        Some("OnFailure") => code != 0,
        _ => true,
    }
}

/// How long to wait before start number `count` + 1: 1 s, doubling up to 30 s.
pub(super) fn back_off(count: u32) -> Duration {
    Duration::from_secs(1 << count.min(5)).min(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_decides_over_restarts() {
        for (policy, zero, other) in [
            (Some("Never"), false, false),
            (Some("OnFailure"), false, true),
            (Some("Always"), true, true),
            (None, true, true),
        ] {
            assert_eq!((restarts(policy, 0), restarts(policy, 3)), (zero, other), "{policy:?}");
        }
    }

    #[test]
    fn back_off_doubles_and_stays() {
        let seconds: Vec<_> = [0, 1, 4, 5, 6, u32::MAX].map(|count| back_off(count).as_secs()).into();
        assert_eq!(seconds, [1, 2, 16, 30, 30, 30]);
    }

    #[test]
    fn a_container_of_an_earlier_node_ended_in_an_unknown_way() {
        let now = Timestamp::UNIX_EPOCH;
        let status: ContainerStatus = serde_json::from_value(serde_json::json!({"name": "c", "image": "i",
            "imageID": "", "ready": true, "restartCount": 2,
            "state": {"running": {"startedAt": "1970-01-01T00:00:00Z"}}}))
        .unwrap();
        let snapshot = Snapshot::restored(&status, now);
        assert!(matches!(snapshot.state, State::Terminated(End { code: 137, .. })), "{snapshot:?}");
        assert_eq!(snapshot.restarts, 2);
    }
}
