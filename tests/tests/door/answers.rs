//! What is sent, what comes back, and what of it is written down.

use crate::server::{Server, as_sent, creation};
use serde_json::{Value, json};

const SECRET: &str = "s3cr3t-c0nt3nt";

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut review = creation("u-7");
    change(&mut review["request"]);
    as_sent(&review)
}

/// Bug: a review that is not as it should be gets no answer that an API server takes, or one that admits, or leaves
/// what it holds in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_review_has_a_valid_answer_and_leaves_nothing_in_the_log() {
    let (server, whole) =
        (Server::start().await, changed(|request| request["object"]["spec"]["cluster"] = json!(SECRET)));
    let client = server.client();
    let cut = whole.find(SECRET).unwrap();
    for (name, body) in [
        ("cut", whole[..cut + 3].to_owned()),
        ("no JSON behind the uid", format!("{}\u{0}{SECRET}", &whole[..cut])),
        ("no object", changed(|request| request["object"] = Value::Null)),
        ("no old object", changed(|request| request["operation"] = json!("UPDATE"))),
        ("an operation that is none", changed(|request| request["operation"] = json!(SECRET))),
        ("a spec that is none", changed(|request| request["object"] = json!([SECRET]))),
        (
            "a spec without end",
            changed(|request| request["object"]["spec"]["x"] = json!(SECRET.repeat(20_000))),
        ),
        ("another version", whole.replace("admission.k8s.io/v1", "admission.k8s.io/v2")),
        ("deep", whole.replace(&format!("\"{SECRET}\""), &"[".repeat(100_000))),
    ] {
        let answer = server.send(&client, body).await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        let review: Value = answer.json().await.unwrap();
        assert_eq!(
            (&review["kind"], &review["apiVersion"]),
            (&json!("AdmissionReview"), &json!("admission.k8s.io/v1"))
        );
        let response = &review["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-7"), &json!(false)), "{name}");
        assert_eq!(response["status"]["code"], 400, "{name}: {response}");
        assert!(
            !response["status"]["message"].as_str().unwrap().is_empty()
                && !response.to_string().contains(SECRET)
        );
    }
    for none in ["", "null", "{}", "[]", "\u{0}", "{\"request\":{}}"] {
        assert_eq!(server.send(&client, none).await.unwrap().status(), 400, "{none:?}");
    }
    let refused = changed(|request| request["object"]["spec"]["cluster"] = json!(format!("-{SECRET}-")));
    let answer: Value = server.send(&client, refused).await.unwrap().json().await.unwrap();
    assert_eq!(answer["response"]["status"]["code"], 422, "{answer}");
    is_written_down(&server).await;
}

async fn is_written_down(server: &Server) {
    let log = server.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |text: &str| lines.iter().filter(|line| line["fields"]["message"] == text).count();
    assert_eq!((told("a review was malformed and is refused"), told("refused")), (15, 1), "{log}");
    assert!(!log.contains(SECRET), "{log}");
    let metrics = server.metrics().await;
    let count = |labels: &str| {
        metrics.contains(&format!("openbao_recovery_webhook_reviews_total{{door=\"validate\",{labels}}}"))
    };
    assert!(
        count("kind=\"other\",outcome=\"Malformed\"") && count("kind=\"OpenBaoRestore\",outcome=\"Refused\""),
        "{metrics}"
    );
}
