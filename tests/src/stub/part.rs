//! What a stub does, from its Task to its exit code.

use super::ticket::{Lost, Ticket};
use super::{Order, Question, Step};
use anyhow::Context;
use api::conditions::{ConditionType, Reason};
use api::names;
use api::task::{
    BackupMade, Checked, Claim, Claimed, Identity, Outcome, Pinned, Problem, Pruned, Report, StageFinding,
    Task, TaskKind, WIRE_VERSION,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

const TERMINATION_LOG: &str = "/dev/termination-log";

/// Does the Task of this pod; gives the exit code. Without one it dies without a word.
///
/// # Errors
/// When there is no Task, or nobody to ask.
pub async fn play(task: &str, pod: &str) -> anyhow::Result<Option<u8>> {
    let task = Task::parse(task)?;
    let client = kube::Client::try_default().await.context("no access to the API server")?;
    let ticket = Ticket::new(client, &task, pod);
    let part = Part { task: &task, pod, ticket };
    let Some(outcome) = part.steps().await? else { return Ok(None) };
    tracing::info!(?outcome, "the end");
    Ok(Some(outcome.exit_code()))
}

struct Part<'a> {
    task: &'a Task,
    pod: &'a str,
    ticket: Ticket,
}

impl Part<'_> {
    async fn steps(&self) -> anyhow::Result<Option<Outcome>> {
        let mut termination = signal(SignalKind::terminate())?;
        if let Err(lost) = self.ticket.read().await {
            return Ok(Some(self.gives_up(&lost)));
        }
        // After its claim a restore goes on to its end, whatever happens to its ticket and whatever it is told.
        let mut may_end = true;
        for step in [Step::Begin, Step::Claim, Step::Post, Step::Report] {
            if step == Step::Post && self.task.kind != TaskKind::Restore {
                continue;
            }
            let order = tokio::select! {
                order = self.ask(step) => order?,
                _ = termination.recv(), if may_end => return Ok(self.is_cancelled().await),
                lost = self.ticket.lost(), if may_end => return Ok(Some(self.gives_up(&lost))),
            };
            tracing::info!(?step, ?order, "ordered");
            match order {
                Order::Die => return Ok(None),
                Order::End(outcome) => return Ok(Some(self.report(self.provable(outcome)).await)),
                Order::Go => {
                    if let Err(lost) = self.act(step).await {
                        return Ok(Some(self.gives_up(&lost)));
                    }
                }
            }
            may_end &= (step, self.task.kind) != (Step::Claim, TaskKind::Restore);
        }
        Ok(Some(self.report(Outcome::Done).await))
    }

    /// Only a restore leaves a word about it.
    async fn is_cancelled(&self) -> Option<Outcome> {
        if self.task.kind != TaskKind::Restore {
            return None;
        }
        let mut report = report(self.task.kind, Outcome::Failed);
        report.problems.iter_mut().for_each(|problem| problem.reason = Reason::Cancelled);
        Some(self.leave(&report).await)
    }

    fn gives_up(&self, lost: &Lost) -> Outcome {
        tracing::info!(%lost, "the ticket is lost");
        say(&report(self.task.kind, lost.outcome()))
    }

    async fn act(&self, step: Step) -> Result<(), Lost> {
        match (step, self.task.kind) {
            (Step::Begin, TaskKind::Restore) => self.ticket.write(|lease, _| beat(lease)).await,
            (Step::Claim, kind) => {
                let claimed = (kind == TaskKind::Restore).then(|| claimed(self.task));
                self.ticket.write(|lease, pod| claim(lease, pod, claimed.as_deref())).await
            }
            (Step::Begin | Step::Post | Step::Report, _) => Ok(()),
        }
    }

    /// That nothing was applied is proved only once no POST can be on its way.
    fn provable(&self, outcome: Outcome) -> Outcome {
        match &self.task.proof {
            Some(proof) if outcome == Outcome::Failed && !proof.nothing_on_its_way => Outcome::Unknown,
            _ => outcome,
        }
    }

    async fn report(&self, outcome: Outcome) -> Outcome {
        let mut report = report(self.task.kind, outcome);
        let is_checked = (outcome, self.task.kind) == (Outcome::Done, TaskKind::Check);
        report.checked = is_checked.then(|| checked(self.task));
        report.backup =
            (outcome == Outcome::Done && self.task.kind == TaskKind::Backup).then(|| self.backup());
        self.leave(&report).await
    }

    /// What a backup would have made, under a key of this pod alone.
    fn backup(&self) -> BackupMade {
        let now = Time(Timestamp::now());
        BackupMade {
            key: format!(
                "{}2026-03-20T03-00-00Z-{}.snap",
                self.task.key,
                self.pod.split('-').next().unwrap_or_default()
            ),
            started: now.clone(),
            finished: now,
            server_version: Some("2.7.2".to_owned()),
            remark: None,
            pruned: Pruned::default(),
        }
    }

    /// Leaves a Report. When it cannot be left on the ticket, the termination log has it.
    async fn leave(&self, report: &Report) -> Outcome {
        let text = serde_json::to_string(report).unwrap_or_default();
        let left = self.ticket.write(|lease, _| annotate(lease, names::REPORT, &text)).await;
        if let Err(lost) = left {
            tracing::info!(%lost, "the Report is not on the ticket");
        }
        say(report)
    }

    /// Waits for the answer as long as the conductor likes.
    async fn ask(&self, step: Step) -> anyhow::Result<Order> {
        let question = Question {
            request: self.task.request.uid.clone(),
            pod: self.pod.to_owned(),
            kind: self.task.kind,
            step,
        };
        // A backup names the beginning of a key.
        let conductor = self.task.key.split('/').next().unwrap_or_default();
        let mut stream =
            TcpStream::connect(conductor).await.with_context(|| format!("no conductor at {conductor}"))?;
        stream.write_all(format!("{}\n", serde_json::to_string(&question)?).as_bytes()).await?;
        let line = BufReader::new(stream).lines().next_line().await?.context("no answer of the conductor")?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// Writes a Report to the termination log.
fn say(report: &Report) -> Outcome {
    let text = serde_json::to_string(report).unwrap_or_default();
    if let Err(error) = std::fs::write(TERMINATION_LOG, text) {
        tracing::error!(%error, "the termination log cannot be written");
    }
    report.outcome
}

fn beat(lease: &mut Lease) {
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now()));
}

fn claim(lease: &mut Lease, pod: &str, claimed: Option<&str>) {
    beat(lease);
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(pod.to_owned());
    spec.acquire_time = Some(MicroTime(Timestamp::now()));
    if let Some(claimed) = claimed {
        annotate(lease, names::CLAIM, claimed);
    }
}

fn annotate(lease: &mut Lease, key: &str, value: &str) {
    lease.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
}

/// Every cluster of a test is an OpenBao of its own.
fn identity(task: &Task) -> Identity {
    let cluster_id = format!("{} {}", task.request.namespace, task.cluster.addresses.join(" "));
    Identity { cluster_id, active_time: "2026-01-01T00:00:00Z".to_owned(), raft_index: 7 }
}

fn checked(task: &Task) -> Checked {
    Checked { identity: identity(task), marker: "s.check".to_owned(), at: Time(Timestamp::now()) }
}

fn claimed(task: &Task) -> String {
    let after = |time| Time(Timestamp::now() + time);
    let claim = Claim {
        marker: "s.stub".to_owned(),
        expires: after(SignedDuration::from_hours(168)),
        origin: None,
        leader: "https://stub.invalid:8200".to_owned(),
        identity: identity(task),
        nothing_after: after(SignedDuration::from_mins(30)),
    };
    serde_json::to_string(&Claimed { claim, servers: task.cluster.clone() }).unwrap_or_default()
}

/// What an executor would leave that ends so.
fn report(kind: TaskKind, outcome: Outcome) -> Report {
    let reason = match outcome {
        Outcome::Unknown => Reason::OutcomeUnknown,
        _ if kind == TaskKind::Check => Reason::CheckFailed,
        _ => Reason::NotApplied,
    };
    let message = format!("The stub was told to end with {outcome:?}.");
    let problem = Problem { reason, field: None, message: message.clone() };
    let holds = match outcome {
        Outcome::Done => Some(true),
        Outcome::Refused | Outcome::Failed => Some(false),
        Outcome::Unknown => None,
    };
    let (stage, proved) = match kind {
        TaskKind::Check | TaskKind::Backup => (ConditionType::SnapshotVerified, Reason::Verified),
        TaskKind::Restore | TaskKind::Prove => (ConditionType::Applied, Reason::Proved),
    };
    let is_done = outcome == Outcome::Done;
    let pinned = Pinned { size: 5, sha256: "0".repeat(64), etag: None, version: None };
    Report {
        v: WIRE_VERSION,
        outcome,
        problems: if is_done { Vec::new() } else { vec![problem] },
        stages: vec![StageFinding { stage, holds, reason: if is_done { proved } else { reason }, message }],
        next_steps: Vec::new(),
        pinned: (is_done && matches!(kind, TaskKind::Check | TaskKind::Backup)).then_some(pinned),
        origin: None,
        checked: None,
        backup: None,
    }
}
