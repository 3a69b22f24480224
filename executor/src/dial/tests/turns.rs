//! Name servers and servers that turn a client away from where it was sent.

use super::*;
use crate::report::Fault;
use crate::transfer::TransferError;
use tokio::net::TcpSocket;

/// A guard on loopback whose name server gives these answers in turn, the last one again and again.
fn turning(answers: &'static [&'static [&'static str]]) -> Guard {
    let asked = AtomicUsize::new(0);
    let lookup = move |_: String| {
        let answer = answers[asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
        let addresses = answer.iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async move { Ok(addresses) }) as BoxFuture<'static, _>
    };
    let api_server = ("10.96.0.1".to_owned(), 443);
    Guard { networks: LOCAL.parse().unwrap(), api_server, lookup: Arc::new(lookup) }
}

/// Listeners on one port of both families, counted apart.
async fn listeners() -> (u16, [Arc<AtomicUsize>; 2]) {
    let (port, [one, other]) = both().await;
    let dialled = [Arc::default(), Arc::default()];
    count(one, &dialled[0], ANSWER);
    count(other, &dialled[1], ANSWER);
    (port, dialled)
}

/// Bug: a name is judged once, and means another address at the next connection.
#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_at_each_connection() {
    let site = Site::start().await;
    let (port, [first, second]) = listeners().await;
    let guard = turning(&[&["127.0.0.1"], &["::1"]]);
    let endpoint = format!("http://store.attacker.svc:{port}");
    let target = StorageTarget { use_path_style: true, ..placed(Position::Endpoint, &endpoint) };
    let store = open(&target, site.folder.path(), &guard).unwrap();
    // The first connection is answered with 503, so that there is another one.
    let error = store.get(&Path::from("a.snap")).await.unwrap_err();
    let diverted = cause::<Diverted>(&error).unwrap().to_string();
    assert!(diverted.contains("::1") && diverted.contains("loopback"), "{diverted}");
    assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), (1, 0));

    let guard = turning(&[&["::1"]]);
    let fault = site.ask(&format!("http://bao-0.attacker.svc:{port}"), None, &guard).await.unwrap();
    assert!(fault.contains("loopback"), "{fault}");
    assert_eq!(second.load(Ordering::SeqCst), 0);
}

/// Bug: of several addresses the one that must not be called is tried when the others do not answer.
#[tokio::test]
async fn of_several_addresses_those_that_are_allowed_are_dialled_and_a_trap_spoils_all() {
    let vetted = |answers, door| async move {
        let address = Address::parse("http://store.attacker.svc:9000").unwrap();
        let dialer = turning(answers).dialer(&address, door).unwrap();
        dialer.vetted().await.map_err(|error| error.to_string())
    };
    let found = vetted(&[&["::1", "8.8.8.8", "127.0.0.1", "10.1.2.3"]], Door::Storage).await.unwrap();
    assert_eq!(found, ["127.0.0.1", "10.1.2.3"].map(|address| address.parse::<IpAddr>().unwrap()));
    let found = vetted(&[&["::1", "8.8.8.8"]], Door::Server).await.unwrap();
    assert_eq!(found, ["8.8.8.8".parse::<IpAddr>().unwrap()]);
    let traps: [&[&[&str]]; 2] = [&[&["10.1.2.3", "169.254.169.254"]], &[&["fd00:ec2::254", "10.1.2.3"]]];
    for answer in traps {
        let error = vetted(answer, Door::Storage).await.unwrap_err();
        assert!(error.contains("which is a ") && error.contains("no Job may ever call"), "{error}");
    }
    let error = vetted(&[&["8.8.8.8"]], Door::Storage).await.unwrap_err();
    assert!(error.contains("storage.allowCIDRs"), "{error}");
}

/// Bug: an address that takes no connection uses up the time of those behind it, or is the only one that is tried.
#[tokio::test]
async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let full = TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let full = full.listen(1).unwrap();
    let port = full.local_addr().unwrap().port();
    let good = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
    // Nobody takes them: from some number on the kernel is silent.
    let silent = Duration::from_millis(200);
    let mut taken = Vec::new();
    while let Ok(one) = timeout(silent, TcpStream::connect(full.local_addr().unwrap())).await {
        taken.push(one.unwrap());
    }
    let dial = async |answers| {
        let address = Address::parse(&format!("http://bao-0.bao.svc:{port}")).unwrap();
        let dialer = turning(answers).dialer(&address, Door::Server).unwrap();
        dialer.connect(Duration::from_secs(1)).await
    };
    let begun = Instant::now();
    let connected = dial(&[&["127.0.0.2", "127.0.0.4", "127.0.0.3"]]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(connected.peer_addr().unwrap(), good.local_addr().unwrap());
    let fault = dial(&[&["127.0.0.4", "127.0.0.2"]]).await.unwrap_err().to_string();
    assert!(fault.contains("127.0.0.2") && fault.contains("timed out"), "{fault}");
    let fault = dial(&[&[]]).await.unwrap_err().to_string();
    assert!(fault.contains("has no address"), "{fault}");
}

/// Bug: the API server is called by the name of somebody else, or by another spelling of its address.
#[tokio::test]
async fn the_api_server_is_known_by_its_address_and_port() {
    let dialer = |port| {
        let address = Address::parse(&format!("http://store.attacker.svc:{port}")).unwrap();
        turning(&[&["10.96.0.1"]]).dialer(&address, Door::Storage).unwrap()
    };
    assert!(dialer(443).vetted().await.unwrap_err().to_string().contains("the API server"));
    assert!(dialer(9000).vetted().await.is_ok());
    let guard = turning(&[&["10.96.0.1"]]);
    for (address, is_api_server) in [
        ("https://10.96.0.1", true),
        ("https://[::ffff:a60:1]", true),
        ("https://10.96.0.1:9000", false),
        ("https://10.96.0.2", false),
    ] {
        let denied = guard.client(&Address::parse(address).unwrap(), Door::Storage).err();
        assert_eq!(denied == Some(Denied::Never(Class::ApiServer)), is_api_server, "{address} {denied:?}");
    }
}

/// Bug: a server sends whoever logs in, token and all, to another place.
#[tokio::test]
async fn redirects_of_servers_are_not_followed() {
    let (port, [elsewhere, _]) = listeners().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let asked = Arc::default();
    count(listener, &asked, answer.leak());
    let fault = Site::start().await.ask(&address, None, &turning(&[&["127.0.0.1"]])).await.unwrap();
    assert!(fault.starts_with("307"), "{fault}");
    assert!(asked.load(Ordering::SeqCst) > 0);
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0);
}

/// Bug: a request that can never succeed is told as a store that is away, and tried again.
#[tokio::test]
async fn a_diverted_store_is_told_as_the_fault_of_the_endpoint() {
    let site = Site::start().await;
    let target = placed(Position::Endpoint, "https://store.attacker.example");
    let store = open(&target, site.folder.path(), &turning(&[&["169.254.169.254"]])).unwrap();
    let read = crate::transfer::read_small(Arc::new(store), "a.json", 10).await.unwrap_err();
    assert!(matches!(read, TransferError::Diverted(_)), "{read}");
    assert_eq!(read.field().as_deref(), Some("spec.source.target.endpoint"));
    assert!(!read.is_passing());
}
