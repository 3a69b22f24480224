mod hostile;
mod turns;

use super::*;
use crate::openbao::Cluster;
use crate::report::cause;
use crate::storage::open;
use api::StorageTarget;
use api::task::Servers;
use futures::future::join_all;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use rules::google::KeyFile;
use rules::{Kind, Subject, judge};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// As the local cluster has them.
const LOCAL: &str = "127.0.0.0/8,10.0.0.0/8";

/// What names turn out to be: each reaches a listener of the test, or would be a metadata service.
const DIVERTED: [&str; 7] =
    ["127.0.0.1", "::ffff:127.0.0.1", "::1", "0.0.0.0", "::", "64:ff9b::7f00:1", "169.254.169.254"];

/// What answers whoever dials.
const ANSWER: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Where a hostile text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Position {
    Endpoint,
    Server,
    ServerName,
    Region,
    RegionOfSecret,
    Bucket,
    Account,
    Container,
    KeyFile,
}

/// One port on loopback by both families, and whoever dialled it.
struct Site {
    port: u16,
    dialled: Arc<AtomicUsize>,
    /// Names that were looked up.
    asked: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

impl Site {
    async fn start() -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (port, [one, other]) = both().await;
        let folder = tempfile::tempdir().unwrap();
        for (key, value) in [("accessKeyId", "a"), ("secretAccessKey", "b")] {
            std::fs::write(folder.path().join(key), value).unwrap();
        }
        let authority = rcgen::generate_simple_self_signed(["nobody".to_owned()]).unwrap().cert.pem();
        std::fs::write(folder.path().join("ca.crt"), authority).unwrap();
        let dialled = Arc::default();
        count(one, &dialled, ANSWER);
        count(other, &dialled, ANSWER);
        Self { port, dialled, asked: Arc::default(), folder }
    }

    /// The real one, but for a name server that diverts every name, each time to another address.
    fn guard(&self, networks: &str) -> Guard {
        let asked = Arc::clone(&self.asked);
        // The local cluster allows the first two.
        let diverted = if networks.is_empty() { &DIVERTED[..] } else { &DIVERTED[2..] };
        let lookup = move |host: String| {
            let address = host.parse::<IpAddr>().unwrap_or_else(|_| {
                let mut asked = asked.lock().unwrap();
                asked.push(host);
                diverted[asked.len() % diverted.len()].parse().unwrap()
            });
            Box::pin(async move { Ok(vec![address]) }) as BoxFuture<'static, _>
        };
        // The API server is this very port.
        Guard {
            networks: networks.parse().unwrap(),
            api_server: ("127.0.0.1".to_owned(), self.port),
            lookup: Arc::new(lookup),
        }
    }

    fn texts(&self, position: Position, host: &str) -> Vec<String> {
        let port = self.port;
        match position {
            Position::Endpoint | Position::Server => vec![format!("https://{host}:{port}")],
            Position::ServerName => vec![host.to_owned()],
            _ => vec![host.to_owned(), format!("x@{host}:{port}/#")],
        }
    }

    async fn dial(&self, position: Position, text: &str, guard: &Guard) {
        let secret = (position == Position::RegionOfSecret).then_some(text);
        let target = placed(position, text);
        let denied = |fault: Option<String>| {
            assert!(fault.as_ref().is_none_or(|it| it.contains("no Job may")), "{text}: {fault:?}");
        };
        match position {
            Position::Server => denied(self.ask(text, None, guard).await),
            Position::ServerName => {
                let address = format!("https://bao-0.bao.security.svc:{}", self.port);
                denied(self.ask(&address, Some(text), guard).await);
            }
            Position::KeyFile => assert!(KeyFile::parse(&key_file(text)).is_err(), "{text}"),
            _ => self.fetch(&target, secret, guard).await,
        }
    }

    async fn fetch(&self, target: &StorageTarget, region: Option<&str>, guard: &Guard) {
        let own = tempfile::tempdir().unwrap();
        let folder = match region {
            None => self.folder.path(),
            Some(region) => {
                for key in ["accessKeyId", "secretAccessKey"] {
                    std::fs::copy(self.folder.path().join(key), own.path().join(key)).unwrap();
                }
                std::fs::write(own.path().join("region"), region).unwrap();
                own.path()
            }
        };
        if let Ok(store) = open(target, folder, guard) {
            let error = store.get(&Path::from("a.snap")).await.unwrap_err();
            assert!(cause::<Diverted>(&error).is_some(), "{target:?} {error}");
        }
    }

    /// What is wrong with the way to the server; none if there is no client for it.
    async fn ask(&self, address: &str, name: Option<&str>, guard: &Guard) -> Option<String> {
        let servers = Servers {
            addresses: vec![address.to_owned()],
            replicas: 1,
            tls_server_name: name.map(str::to_owned),
        };
        let cluster = Cluster::open(&servers, self.folder.path(), guard).ok()?;
        let fault = cluster.look().await.remove(0).leadership.unwrap_err();
        // A connection of our own goes the same way.
        let own = cluster.node(0)?.connect().await.err();
        let is_denied = |fault: &String| fault.contains("no Job may");
        assert_eq!(own.as_ref().is_some_and(is_denied), is_denied(&fault), "{address}: {own:?}, {fault}");
        Some(fault)
    }
}

/// Listeners on one port of both families.
async fn both() -> (u16, [TcpListener; 2]) {
    for _ in 0..16 {
        let one = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = one.local_addr().unwrap().port();
        // Somebody else may have it.
        if let Ok(other) = TcpListener::bind(("::1", port)).await {
            return (port, [one, other]);
        }
    }
    panic!("no port is free on 127.0.0.1 and ::1");
}

/// Answers whoever dials, and counts.
fn count(listener: TcpListener, dialled: &Arc<AtomicUsize>, answer: &'static str) {
    let dialled = Arc::clone(dialled);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            dialled.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
}

/// The target that has the text in its place.
fn placed(position: Position, text: &str) -> StorageTarget {
    let mut value = json!({
        "bucket": "snapshots", "credentialsSecretRef": {"name": "storage"}, "insecureSkipVerify": true,
    });
    match position {
        Position::Endpoint => value["endpoint"] = json!(text),
        Position::Region => value["region"] = json!(text),
        Position::Bucket => value["bucket"] = json!(text),
        Position::Account => {
            (value["provider"], value["azure"]) = (json!("azure"), json!({"storageAccount": text}));
        }
        Position::Container => {
            (value["provider"], value["azure"]) = (json!("azure"), json!({"container": text}));
        }
        Position::Server | Position::ServerName | Position::RegionOfSecret | Position::KeyFile => {}
    }
    serde_json::from_value(value).unwrap()
}

fn key_file(text: &str) -> String {
    json!({
        "type": "service_account", "private_key_id": "id", "private_key": "key",
        "client_email": "a@b.iam.gserviceaccount.com", "token_uri": format!("https://{text}/token"),
    })
    .to_string()
}

/// Whether the rules of admission let it pass; none where no admission sees it.
fn is_admitted(position: Position, text: &str, networks: &Networks) -> Option<bool> {
    let object: (Kind, Value) = match position {
        Position::RegionOfSecret | Position::KeyFile => return None,
        Position::Server => (Kind::Cluster, json!({"spec": {"connection": {"addresses": [text]}}})),
        Position::ServerName => (
            Kind::Cluster,
            json!({"spec": {"connection": {"addresses": ["https://bao-0.bao.security.svc"], "tlsServerName": text}}}),
        ),
        _ => {
            let source = json!({"key": "a.snap", "target": placed(position, text)});
            (Kind::Restore, json!({"spec": {"cluster": "c", "jwtAuthRole": "r", "source": source}}))
        }
    };
    Some(!judge(&Subject::new(object.0, "security", &object.1, None, networks)).is_refused())
}

const POSITIONS: [(Position, &str); 9] = [
    (Position::Endpoint, "https://minio.example"),
    (Position::Server, "https://bao.example:8200"),
    (Position::ServerName, "bao.security.svc"),
    (Position::Region, "eu-central-1"),
    (Position::RegionOfSecret, "eu-central-1"),
    (Position::Bucket, "openbao-backups"),
    (Position::Account, "backups1"),
    (Position::Container, "snapshots"),
    (Position::KeyFile, "oauth2.googleapis.com"),
];

/// Bug: a spelling, a name, or a field that becomes part of a host leads credentials to a metadata service, the machine
/// itself or the API server. Whether admission lets a text pass or was not there: nobody is dialled.
#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_spelling_is_dialled() {
    let hosts = hostile::hosts();
    let each = |values| POSITIONS.map(|(position, good)| none_is_dialled(position, good, values, &hosts));
    join_all(["", LOCAL].into_iter().flat_map(each)).await;
}

async fn none_is_dialled(position: Position, good: &str, values: &str, hosts: &[String]) {
    let site = Site::start().await;
    let (guard, networks) = (site.guard(values), values.parse().unwrap());
    assert_ne!(is_admitted(position, good, &networks), Some(false), "{position:?}");
    let texts: Vec<String> = hosts.iter().flat_map(|host| site.texts(position, host)).collect();
    assert!(texts.len() >= 300, "{position:?}: {}", texts.len());
    let admitted = texts.iter().filter(|text| is_admitted(position, text, &networks) == Some(true)).count();
    join_all(texts.iter().map(|text| site.dial(position, text, &guard))).await;
    let dialled = site.dialled.load(Ordering::SeqCst);
    println!("{position:?} under {values:?}: {} texts, {admitted} admitted, {dialled} dialled", texts.len());
    assert_eq!(dialled, 0, "{position:?} under {values:?}");
    if !matches!(position, Position::Endpoint | Position::Server | Position::ServerName) {
        let asked = site.asked.lock().unwrap();
        assert!(asked.iter().all(|name| name.ends_with(".amazonaws.com")), "{position:?} {asked:?}");
    }
}

/// Bug: the listeners of the test hear nobody, and what is dialled is not seen.
#[tokio::test]
async fn what_is_allowed_is_dialled_and_counted() {
    let site = Site::start().await;
    let elsewhere = Guard { api_server: ("127.0.0.1".to_owned(), 1), ..site.guard(LOCAL) };
    let target = placed(Position::Endpoint, &format!("https://127.0.0.1:{}", site.port));
    let store = open(&target, site.folder.path(), &elsewhere).unwrap();
    assert!(store.get(&Path::from("a.snap")).await.is_err());
    assert!(site.dialled.load(Ordering::SeqCst) > 0);
}
