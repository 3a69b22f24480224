//! What the operator's hands, Kubernetes and the executor would do.

use super::*;
use crate::restore::{JobSeen, PodsSeen, Run, TicketSeen, fence_holder};
use api::BackupStatus;
use api::OpenBaoCluster;
use api::task::{SnapshotMarker, Task};

/// Steps that no plan needs for one thing to be done.
const MANY: usize = 40;

pub(super) struct World {
    pub(super) seen: Observed,
    pub(super) now: Timestamp,
    pub(super) log: Vec<Step>,
    pub(super) refused: Vec<(String, Problem)>,
    told: Vec<Told>,
    read: usize,
    made: usize,
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn good() -> Report {
    let made = BackupMade {
        key: "n/c/2026-03-20T03-00-01Z-00000000.snap".to_owned(),
        started: Time(at("2026-03-20T03:00:01Z")),
        finished: Time(at("2026-03-20T03:00:03.5Z")),
        server_version: Some("2.7.2".to_owned()),
        remark: None,
        pruned: Pruned::default(),
    };
    let pinned = Pinned { size: 5, sha256: "ab".to_owned(), etag: None, version: None };
    Report { backup: Some(made), pinned: Some(pinned), ..empty(Outcome::Done) }
}

pub(super) fn bad() -> Report {
    let message = "It ended early.".to_owned();
    let problems = vec![Problem { reason: Reason::SnapshotTruncated, field: None, message }];
    Report { problems, next_steps: vec!["kubectl logs".to_owned()], ..empty(Outcome::Failed) }
}

/// A marker of the first of these seconds.
pub(in crate::backup) fn marker(second: u32) -> SnapshotMarker {
    let time = |year: u16| Time(at(&format!("{year}-03-20T03:00:{second:02}Z")));
    SnapshotMarker { token: format!("s.{second}"), created: time(2026), expires: time(2036) }
}

fn empty(outcome: Outcome) -> Report {
    Report::parse(&json!({"v": WIRE_VERSION, "outcome": outcome}).to_string()).unwrap()
}

/// A cluster for whose backups nothing is there yet.
pub(in crate::backup) fn seen(cluster: OpenBaoCluster) -> Observed {
    let installation = Installation {
        image: "image".to_owned(),
        audience: "audience".to_owned(),
        networks: "10.0.0.0/8".to_owned(),
    };
    Observed {
        cluster,
        installation,
        namespace_terminating: false,
        cron_job: None,
        jobs: Vec::new(),
        run: Run::default(),
        companions: Vec::new(),
        upload: None,
        markers: Vec::new(),
        restoring: Vec::new(),
    }
}

impl World {
    pub(super) fn new() -> Self {
        let cluster = serde_json::from_value(json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": "c", "namespace": "n", "uid": "c-1", "generation": 1},
            "spec": {"replicas": 3, "backup": {
                "schedule": "0 3 * * *", "jwtAuthRole": "backup", "target": {"bucket": "backups"},
            }},
        }));
        let seen = seen(cluster.unwrap());
        let now = at("2026-03-20T02:59:59Z");
        Self { seen, now, log: Vec::new(), refused: Vec::new(), told: Vec::new(), read: 0, made: 0 }
    }

    pub(super) fn after(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Plans and acts until nothing is left to do, which must be soon, and then stays so.
    pub(super) fn rests(&mut self) -> Option<Waiting> {
        for _ in 0..MANY {
            let plan = plan(&self.seen, self.now);
            let is_over = plan.step.is_none() && plan.status.is_none();
            self.told.extend(plan.told);
            if is_over && plan.waiting == Some(Waiting::Second) {
                self.after(1);
                continue;
            }
            if is_over {
                return plan.waiting;
            }
            if let Some(written) = plan.status {
                let status = self.seen.cluster.status.get_or_insert_default();
                status.backup = Some(written.backup);
                status.conditions = written.conditions;
            }
            if let Some(step) = plan.step {
                self.act(&step);
                self.log.push(step);
            }
        }
        panic!("it does not come to rest: {:?}", self.log);
    }

    /// The same, until a Job is at work.
    pub(super) fn runs(&mut self) {
        assert_eq!(self.rests(), Some(Waiting::Backup), "{:?}", self.log);
        self.seen.run.ticket.as_mut().unwrap().beats = true;
    }

    /// Names of the steps since the last call.
    pub(super) fn steps(&mut self) -> Vec<String> {
        let name = |step: &Step| format!("{step:?}").split([' ', '(']).next().unwrap().to_owned();
        let steps = self.log[self.read..].iter().map(name).collect();
        self.read = self.log.len();
        steps
    }

    fn act(&mut self, step: &Step) {
        let work = self.seen.work();
        match step {
            Step::ApplyCronJob => self.apply(),
            Step::DeleteCronJob => (self.seen.cron_job, self.seen.jobs) = (None, Vec::new()),
            Step::CreateJob(cause) => self.create(cause),
            Step::DropJob { uid, .. } => self.seen.jobs.retain(|job| job.job.uid != *uid),
            Step::Refuse { name, problem } => {
                let job = self.seen.jobs.iter_mut().find(|job| job.name == *name).unwrap();
                (job.suspended, job.job.finished) = (false, true);
                self.refused.push((name.clone(), problem.clone()));
            }
            Step::TakeLock(work) => {
                assert_eq!(self.lock(), None, "the lock of another is taken");
                let lock = crate::lock::taken(&work.holder(), "c", self.now);
                self.seen.cluster.status.get_or_insert_default().operation_lock = Some(lock);
                self.look_at_run();
            }
            Step::Remember(ledger) => {
                let text = ledger.text();
                self.seen.cron_job.as_mut().unwrap().ledger = Ledger::parse(&text);
                self.look_at_run();
            }
            Step::CreateTicket => {
                (self.seen.upload, self.seen.markers) = (None, Vec::new());
                let request = work.map(|work| work.uid);
                let created = Some(self.now);
                self.seen.run.ticket =
                    Some(TicketSeen { uid: "t".to_owned(), request, created, ..TicketSeen::default() });
                self.companion(CompanionKind::Ticket);
            }
            Step::Grant => {
                self.companion(CompanionKind::Role);
                self.companion(CompanionKind::RoleBinding);
            }
            Step::Resume => {
                let now = self.now;
                let job = self.job_of(&work.unwrap().uid);
                (job.suspended, job.has_task, job.job.started) = (false, true, Some(now));
                self.seen.run.job = Some(job.job.clone());
                self.seen.run.pods.left = true;
            }
            Step::NameJob => self.seen.run.ticket.as_mut().unwrap().job = work.map(|work| work.uid),
            Step::Fence(reason) => {
                self.seen.run.ticket.as_mut().unwrap().holder = Some(fence_holder(*reason));
            }
            Step::EndJob => {
                let job = self.job_of(&work.unwrap().uid);
                job.job.deleting = true;
                self.seen.run.job = Some(job.job.clone());
            }
            Step::ReleaseLock => {
                assert!(!self.seen.run.pods.left, "a pod still knows the lock");
                self.is_free();
            }
            Step::CleanUp(gone) => {
                self.seen.companions.retain(|companion| !gone.contains(companion));
                self.look_at_ticket();
            }
        }
    }

    fn job_of(&mut self, uid: &str) -> &mut BackupJob {
        self.seen.jobs.iter_mut().find(|job| job.job.uid == uid).unwrap()
    }

    fn apply(&mut self) {
        let wanted = objects::cron_job(&self.seen, self.now).unwrap();
        let spec = wanted.spec.unwrap();
        let before = self.seen.cron_job.take();
        self.seen.cron_job = Some(CronJobSeen {
            uid: "cron".to_owned(),
            owner: Some("c-1".to_owned()),
            template: wanted.metadata.annotations.unwrap().remove(api::names::TEMPLATE),
            spec,
            last: None,
            deleting: false,
            ledger: before.map(|before| before.ledger).unwrap_or_default(),
        });
    }

    fn born(&mut self) -> JobSeen {
        self.made += 1;
        JobSeen { uid: format!("u-{}", self.made), created: Some(self.now), ..JobSeen::default() }
    }

    fn create(&mut self, cause: &Cause) {
        let job = objects::job(&self.seen, cause).unwrap();
        let (metadata, spec) = (job.metadata, job.spec.unwrap());
        let annotations = metadata.annotations.unwrap();
        assert_eq!(spec.suspend, Some(true));
        let (name, job) = (metadata.name.unwrap(), self.born());
        self.seen.jobs.push(BackupJob {
            job,
            name,
            controller: metadata.owner_references.map(|mut owners| owners.remove(0).uid),
            slot: annotations.get(api::names::SLOT).map(|slot| at(slot)),
            template: annotations.get(api::names::TEMPLATE).cloned(),
            cause: annotations.get(api::names::CAUSE).cloned(),
            suspended: true,
            has_task: false,
        });
    }

    /// `kubectl create job --from=cronjob/c-backup NAME`.
    pub(super) fn makes(&mut self, name: &str) {
        if self.seen.cron_job.is_none() {
            self.rests();
        }
        let cron_job = self.seen.cron_job.clone().unwrap();
        let job = self.born();
        let (controller, template) = (Some(cron_job.uid), objects::digest(&self.seen));
        let name = name.to_owned();
        self.seen.jobs.push(BackupJob {
            name,
            job,
            controller,
            template,
            suspended: true,
            ..BackupJob::default()
        });
    }

    /// The `CronJob` makes a Job for this time.
    pub(super) fn schedules(&mut self, slot: &str) {
        self.now = at(slot);
        self.makes("c-backup-29566260");
        self.seen.jobs.last_mut().unwrap().slot = Some(at(slot));
    }

    /// What is known of Job and ticket of the work of now.
    pub(super) fn look_at_run(&mut self) {
        let Some(work) = self.seen.work() else { return };
        let job = self.seen.jobs.iter().find(|job| job.job.uid == work.uid);
        if self.seen.run.job.as_ref().map(|job| &job.uid) != Some(&work.uid) {
            self.seen.run = Run { job: job.map(|job| job.job.clone()), ..Run::default() };
        }
        self.look_at_ticket();
    }

    /// Whether the work of now still has one.
    fn look_at_ticket(&mut self) {
        let (made, _) = self.seen.made_for(&self.seen.work().unwrap().uid);
        if made.iter().all(|companion| companion.kind != CompanionKind::Ticket) {
            self.seen.run.ticket = None;
        }
    }

    /// One that is made for the work of now.
    fn companion(&mut self, kind: CompanionKind) {
        let (request, owner) = (self.seen.work().map(|work| work.uid), Some("c-1".to_owned()));
        self.seen.companions.push(Companion { kind, uid: format!("{kind:?}"), request, owner });
    }

    /// The pod leaves this and ends.
    pub(super) fn ends(&mut self, report: Report) {
        self.seen.run.ticket.as_mut().unwrap().report = Some(report);
        self.finish();
    }

    /// The pod ends without a word.
    pub(super) fn fails(&mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        let uid = self.seen.work().unwrap().uid;
        let job = self.job_of(&uid);
        job.job.finished = true;
        self.seen.run.job = Some(job.job.clone());
        self.seen.run.pods = PodsSeen::default();
    }

    pub(super) fn job_is_gone(&mut self) {
        let uid = self.seen.work().unwrap().uid;
        self.seen.jobs.retain(|job| job.job.uid != uid);
        self.seen.run.job = None;
        self.seen.run.pods = PodsSeen::default();
    }

    pub(super) fn is_locked_by(&mut self, holder: &str, operation: &str) {
        let lock = OperationLock {
            operation: operation.to_owned(),
            holder: holder.to_owned(),
            ..OperationLock::default()
        };
        self.seen.cluster.status.get_or_insert_default().operation_lock = Some(lock);
    }

    pub(super) fn is_free(&mut self) {
        self.seen.cluster.status.get_or_insert_default().operation_lock = None;
    }

    pub(super) fn is_foreign(&mut self) {
        let managed = json!([{
            "manager": "theirs", "operation": "Update", "subresource": "status", "time": self.now.to_string(),
            "fieldsV1": {"f:status": {"f:backup": {}}},
        }]);
        self.seen.cluster.metadata.managed_fields = serde_json::from_value(managed).unwrap();
    }

    pub(super) fn annotate(&mut self, trigger: &str) {
        let annotations = self.seen.cluster.metadata.annotations.get_or_insert_default();
        annotations.insert(api::names::TRIGGER_BACKUP.to_owned(), trigger.to_owned());
    }

    pub(super) fn upgrades_to(&mut self, version: &str) {
        self.seen.cluster.spec.version = Some(version.to_owned());
        self.seen.cluster.spec.upgrade =
            Some(serde_json::from_value(json!({"preUpgradeSnapshot": true})).unwrap());
    }

    pub(super) fn runs_version(&mut self, version: &str) {
        self.seen.cluster.status.get_or_insert_default().current_version = Some(version.to_owned());
    }

    pub(super) fn task(&self) -> Task {
        task::task(&self.seen, &self.seen.work().unwrap(), self.now).unwrap()
    }

    /// Whether the next backup never deletes this one.
    pub(super) fn task_protects(&mut self, key: &str) -> bool {
        self.makes("protecting");
        self.runs();
        let protects = self.task().backup.unwrap().protected.iter().any(|one| one == key);
        self.ends(bad());
        self.rests();
        protects
    }

    pub(super) fn status(&self) -> BackupStatus {
        self.seen.cluster.status.clone().unwrap().backup.unwrap()
    }

    pub(super) fn lock(&self) -> Option<OperationLock> {
        self.seen.cluster.status.as_ref()?.operation_lock.clone()
    }

    /// Status and reason of a condition.
    pub(super) fn condition(&self, kind: ConditionType) -> (String, String) {
        let conditions = self.seen.cluster.status.clone().unwrap_or_default().conditions;
        let found = conditions.into_iter().find(|condition| condition.type_ == kind.as_str());
        found.map(|condition| (condition.status, condition.reason)).unwrap_or_default()
    }

    pub(super) fn told(&self, reason: &str) -> Vec<&Told> {
        self.told.iter().filter(|told| told.reason == reason).collect()
    }
}
