//! How long `webhook check` takes for a tree of 1000 files, beside merely reading and parsing the same files in the same
//! run. `cargo bench -p webhook`; the last two lines are the figures.
#![expect(clippy::unwrap_used, reason = "a bench that cannot make its files has nothing to measure")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

const FILES: usize = 1000;
const RUNS: usize = 9;

const RESTORE: &str = "\
apiVersion: openbao.org/v1alpha1
kind: OpenBaoRestore
metadata:
  name: restore-NUMBER
  namespace: security
spec:
  cluster: prod-cluster
  source:
    target:
      provider: s3
      endpoint: https://s3.amazonaws.com
      bucket: openbao-backups
      region: us-east-1
      credentialsSecretRef:
        name: s3-credentials
    key: clusters/prod/backup-2026-03-20.snap
  jwtAuthRole: openbao-operator-restore
";

const CLUSTER: &str = "\
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata:
  name: cluster-NUMBER
  namespace: security
spec:
  backup:
    schedule: \"0 3 * * *\"
    timeZone: Europe/Berlin
    jwtAuthRole: backup
    target:
      bucket: openbao-backups
      pathPrefix: clusters/prod
      credentialsSecretRef: {name: s3-credentials}
    retention: {maxCount: 7, maxAge: 168h}
  connection:
    addresses: [https://bao-0.bao.security.svc:8200, https://bao-1.bao.security.svc:8200]
";

const CONTAINER: &str = "\
        - name: web-NUMBER
          image: registry.example/team/web:1.2.3
          ports: [{name: http, containerPort: 8080}]
          env:
            - {name: LOG_LEVEL, value: info}
            - name: PASSWORD
              valueFrom: {secretKeyRef: {name: web, key: password}}
          resources:
            requests: {cpu: 50m, memory: 64Mi}
            limits: {memory: 128Mi}
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 5
";

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-NUMBER
  labels: {app: web, team: platform}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
";

/// As a repository has them: one file in five is ours, the others are of any kind.
fn content(n: usize) -> String {
    let text = match n % 10 {
        0 => RESTORE.to_owned(),
        5 => CLUSTER.to_owned(),
        more => DEPLOYMENT.to_owned() + &CONTAINER.repeat(more),
    };
    text.replace("NUMBER", &n.to_string())
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..FILES {
        let inner = folder.path().join(format!("team-{}", n % 20));
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join(format!("{n}.yaml")), content(n)).unwrap();
    }
    let pairs: Vec<(f64, f64)> =
        (0..RUNS).map(|_| (seconds(|| check(folder.path())), seconds(|| parse(folder.path())))).collect();
    let [_, ours, _] = spread(pairs.iter().map(|(ours, _)| *ours));
    let [_, bare, _] = spread(pairs.iter().map(|(_, bare)| *bare));
    let [least, ratio, most] = spread(pairs.iter().map(|(ours, bare)| ours / bare));
    println!("{FILES} files: check {ours:.3} s, reading and parsing alone {bare:.3} s, medians of {RUNS}");
    println!("time, of reading and parsing alone: {ratio:.2} (from {least:.2} to {most:.2})");
}

/// The program, from its start to its end.
fn check(folder: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_webhook")).arg("check").arg(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("1000 files: 200 objects judged, 0 refused, 0 with warnings; 800 of"), "{text}");
}

fn parse(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            parse(&path);
        } else {
            let text = std::fs::read_to_string(path).unwrap();
            let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
            assert_eq!(std::hint::black_box(documents).len(), 1);
        }
    }
}

/// Least, median and most.
fn spread(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]]
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}
