//! A backup of 1 GiB out of a real OpenBao into an S3 server, beside `curl` to nowhere and `curl` into the uploads of
//! rclone and of the AWS CLI, in the same run and all over TLS; and what its executor takes of memory and CPU.
//! `cargo bench -p tests --bench backup`; the last lines are the figures. A client that is not on the PATH is left out, and
//! that is said. It fails when the executor takes more memory than (concurrency + 1) x partSize + 16 MiB.
#![expect(clippy::unwrap_used, reason = "a bench that cannot fill its server has nothing to measure")]

use api::{OpenBaoCluster, names};
use kube::api::{Api, Patch, PatchParams, PostParams};
use procfs::process::{Process, all_processes};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::harness::Cluster;
use tests::openbao::outside::{Outside, Seal, Settings};
use tests::scenario::Scenario;

/// 1 GiB of them.
const VALUES: usize = 1534;
const RUNS: usize = 5;
const MIB: u64 = 1 << 20;
/// At the defaults.
const MOST_MEMORY: u64 = 4 * 10 * MIB + 16 * MIB;
const NAME: &str = "bench";
const ENDS_WITHIN: Duration = Duration::from_mins(5);
/// Far less than a backup takes.
const LOOK: Duration = Duration::from_millis(5);

/// Ways to do about the same with what is there already: the program, and the command that reads the snapshot.
const OTHERS: [(&str, &str); 2] = [
    ("rclone", "rclone rcat --ca-cert \"$AWS_CA_BUNDLE\" bench:backups/others/rclone"),
    ("aws", "aws --endpoint-url \"$S3_ENDPOINT\" s3 cp --only-show-errors - s3://backups/others/aws"),
];

/// What the executor took.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    wall: Duration,
    /// Seconds of all its threads.
    cpu: f64,
    /// Most memory, in bytes.
    memory: u64,
}

/// What one round took.
struct Round {
    curl: Duration,
    backup: Taken,
    others: [Option<Duration>; 2],
}

struct Bench {
    cluster: Cluster,
    outside: Outside,
    clusters: Api<OpenBaoCluster>,
    namespace: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cluster = Cluster::shown(Path::new(env!("CARGO_BIN_EXE_cluster")), NAME, "none");
    let bench = Bench::prepare(cluster).await;
    let mut rounds = Vec::new();
    for number in 0..RUNS {
        rounds.push(bench.round(number).await);
    }
    bench.tell(&rounds).await;
    let most = rounds.iter().map(|round| round.backup.memory).max().unwrap();
    assert!(most <= MOST_MEMORY, "{most} bytes of memory, and at most {MOST_MEMORY} are promised");
}

impl Bench {
    /// A server with its values, as an OpenBaoCluster that is backed up by hand.
    async fn prepare(cluster: Cluster) -> Self {
        let seal = Seal::fresh("local").unwrap();
        let outside = Outside::start(&cluster, &Settings::one(NAME, seal)).await.unwrap();
        let namespace = cluster.namespace(NAME);
        let backup = {
            let scenario = Scenario::of(&cluster, &namespace, NAME, outside.openbao.clone()).await.unwrap();
            scenario.fill(VALUES).await.unwrap();
            let authority = std::fs::read_to_string(&outside.openbao.authority).unwrap();
            scenario.secret("servers", &json!({"ca.crt": authority})).unwrap();
            scenario.backup()
        };
        let clusters: Api<OpenBaoCluster> = Api::namespaced(cluster.client().await, &namespace);
        let connection = json!({"addresses": [outside.openbao.address], "caSecretRef": {"name": "servers"}});
        let object = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": {"name": NAME},
            "spec": {"replicas": 1, "connection": connection, "backup": backup}
        });
        clusters.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        Self { cluster, outside, clusters, namespace }
    }

    async fn round(&self, number: usize) -> Round {
        let curl = self.read_by("cat >/dev/null");
        let backup = self.back_up(number).await;
        self.forget(&self.namespace);
        let others = OTHERS.map(|(program, command)| {
            let is_there = Command::new(program).arg("--version").output().is_ok();
            is_there.then(|| {
                let took = self.read_by(command);
                self.forget("others");
                took
            })
        });
        Round { curl, backup, others }
    }

    /// Removes what was uploaded: all rounds together would fill the disk, and each upload is to find the store as the
    /// others did.
    fn forget(&self, folder: &str) {
        std::fs::remove_dir_all(self.cluster.folder().join("object-store/data/backups").join(folder))
            .unwrap();
    }

    /// Reads the snapshot with curl into this command.
    fn read_by(&self, command: &str) -> Duration {
        let openbao = &self.outside.openbao;
        let script = format!(
            "set -o pipefail; curl --silent --show-error --fail --cacert \"$BAO_CACERT\" \
             --header \"X-Vault-Token: $BAO_TOKEN\" \"$BAO_ADDR/v1/sys/storage/raft/snapshot\" | {command}"
        );
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).env("BAO_ADDR", &openbao.address).env("BAO_TOKEN", &openbao.root_token);
        shell.env("BAO_CACERT", &openbao.authority);
        for name in ["S3_ENDPOINT", "AWS_CA_BUNDLE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            shell.env(name, self.cluster.variable(name));
        }
        shell.env("AWS_DEFAULT_REGION", tests::object_store::REGION);
        shell.env("RCLONE_CONFIG_BENCH_TYPE", "s3").env("RCLONE_CONFIG_BENCH_PROVIDER", "Other");
        shell.env("RCLONE_CONFIG_BENCH_ENV_AUTH", "true");
        shell.env("RCLONE_CONFIG_BENCH_ENDPOINT", self.cluster.variable("S3_ENDPOINT"));
        let begun = Instant::now();
        assert!(shell.status().unwrap().success(), "curl | {command}");
        begun.elapsed()
    }

    async fn back_up(&self, number: usize) -> Taken {
        let before = self.backup().await["lastBackupName"].clone();
        let patch = json!({"metadata": {"annotations": {names::TRIGGER_BACKUP: number.to_string()}}});
        self.clusters.patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        let executor = async || executor();
        let executor = self.cluster.eventually("its executor runs", ENDS_WITHIN, executor).await;
        let taken = watched(&executor);
        let made = async || {
            let backup = self.backup().await;
            assert!(backup["lastFailureReason"].is_null(), "{backup}");
            (backup["lastBackupName"] != before).then_some(())
        };
        self.cluster.eventually("the backup is made", ENDS_WITHIN, made).await;
        taken
    }

    async fn backup(&self) -> Value {
        json!(self.clusters.get(NAME).await.unwrap().status.unwrap_or_default())["backup"].clone()
    }

    async fn tell(&self, rounds: &[Round]) {
        let size = self.backup().await["lastBackupSize"].as_u64().unwrap();
        let gib = |bytes: u64| f64::from(u32::try_from(bytes / MIB).unwrap()) / 1024.0;
        println!("{} MiB over TLS, medians of {RUNS} rounds (least to most)", size / MIB);
        let seconds = |of: fn(&Round) -> Duration| rounds.iter().map(move |round| of(round).as_secs_f64());
        tell("seconds of curl to nowhere", seconds(|round| round.curl));
        tell("seconds of a backup", seconds(|round| round.backup.wall));
        tell("backup, of curl to nowhere", rounds.iter().map(|round| ratio(round, round.curl)));
        for (index, (program, _)) in OTHERS.iter().enumerate() {
            let took: Vec<Duration> = rounds.iter().filter_map(|round| round.others[index]).collect();
            if took.len() == rounds.len() {
                let ratios = rounds.iter().zip(&took).map(|(round, took)| ratio(round, *took));
                tell(&format!("seconds of curl | {program}"), took.iter().map(Duration::as_secs_f64));
                tell(&format!("backup, of curl | {program}"), ratios);
            } else {
                println!("{program} is not on the PATH, so there is nothing to compare with");
            }
        }
        tell("CPU-seconds of the executor per GiB", rounds.iter().map(|round| round.backup.cpu / gib(size)));
        let most = rounds.iter().map(|round| round.backup.memory).max().unwrap_or_default();
        println!("memory of the executor: {} KiB, at most {} KiB", most / 1024, MOST_MEMORY / 1024);
    }
}

fn ratio(round: &Round, to: Duration) -> f64 {
    round.backup.wall.as_secs_f64() / to.as_secs_f64()
}

/// The one that runs.
fn executor() -> Option<Process> {
    let is_it = |process: &Process| process.stat().is_ok_and(|stat| stat.comm == "executor");
    all_processes().ok()?.filter_map(Result::ok).find(is_it)
}

/// Looks at it until it is over.
fn watched(executor: &Process) -> Taken {
    let (begun, mut taken) = (Instant::now(), Taken::default());
    while let (Ok(stat), Ok(status)) = (executor.stat(), executor.status()) {
        // One that is over and was not waited for has no memory any more.
        let Some(memory) = status.vmhwm else { break };
        let ticks = f64::from(u32::try_from(stat.utime + stat.stime).unwrap());
        let cpu = ticks / f64::from(u32::try_from(procfs::ticks_per_second()).unwrap());
        taken = Taken { wall: begun.elapsed(), cpu, memory: memory * 1024 };
        std::thread::sleep(LOOK);
    }
    taken
}

/// Median, least and most.
fn tell(what: &str, figures: impl Iterator<Item = f64>) {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let [least, median, most] = [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]];
    println!("{what}: {median:.2} ({least:.2} to {most:.2})");
}
