//! Reviews as large as they can be.

use crate::server::{Server, creation};
use futures::future::join_all;
use serde_json::json;

/// Limit of the chart's container, in KiB.
const LIMIT_KIB: u64 = 64 * 1024;
const AT_ONCE: usize = 24;

/// Numbers of one digit, which parsed take 16 times their length.
fn numbers(bytes: usize) -> String {
    format!("[0{}]", ",0".repeat(bytes / 2))
}

/// Bug: a few objects that an API server takes end the container that judges them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_reviews_fit_into_the_memory_of_the_container() {
    let server = Server::start().await;
    let mut cluster = creation("u-1");
    cluster["request"]["kind"]["kind"] = json!("OpenBaoCluster");
    cluster["request"]["object"]["spec"] =
        json!({"ours": {}, "backup": {"target": {"bucket": "b"}, "jwtAuthRole": "r"}});
    let cluster = cluster.to_string();
    let restore = creation("u-1").to_string();
    let bodies = [
        cluster.replace("{}", &numbers(6 << 20)),
        cluster.replace("\"oldObject\":null", &format!("\"oldObject\":{}", numbers(3 << 20))),
        restore.replace("\"fieldsV1\":{", &format!("\"fieldsV1\":{{\"a\":{},", numbers(6 << 20))),
        restore.replace("\"cluster\":\"prod-cluster\"", &format!("\"cluster\":{}", numbers(6 << 20))),
    ];
    let mut codes = Vec::new();
    for body in &bodies {
        let clients: Vec<_> = (0..AT_ONCE).map(|_| server.client()).collect();
        let sent = clients.iter().map(|client| server.send(client, body.clone()));
        codes.extend(join_all(sent).await.into_iter().map(|answer| answer.unwrap().status().as_u16()));
    }
    let answered = codes.iter().filter(|code| **code == 200).count();
    let peak = server.peak_memory();
    println!(
        "{answered} of {} answered, the others later than 5 s after they came; {peak} KiB at most",
        codes.len()
    );
    assert!(codes.iter().all(|code| [200, 408].contains(code)), "{codes:?}");
    assert!(answered >= codes.len() / 2, "{answered} of {}", codes.len());
    assert!(peak < LIMIT_KIB, "{peak} KiB");
    server.review(&server.client(), &creation("u-2")).await;
}
