use super::*;
use crate::settings::settings;
use serde_json::json;

fn restore() -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore",
        "metadata": {"name": "prod-restore", "namespace": "security"},
        "spec": {
            "cluster": "prod-cluster", "jwtAuthRole": "restore",
            "source": {"key": "a.snap", "target": {"bucket": "backups"}}
        }
    })
}

fn review(operation: &str, new: &Value, old: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "0c9a8d74", "name": "prod-restore", "namespace": "security", "operation": operation,
            "kind": {"group": "openbao.org", "version": "v1alpha1", "kind": "OpenBaoRestore"},
            "resource": {"group": "openbao.org", "version": "v1alpha1", "resource": "openbaorestores"},
            "userInfo": {"username": "jane"}, "object": new, "oldObject": old
        }
    })
}

/// The `response` of the answer, as the API server reads it.
fn answered(door: Door, review: &Value) -> Value {
    let answer = answer(door, review.to_string().as_bytes(), &settings()).unwrap();
    let review = serde_json::to_value(answer.review).unwrap();
    assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(review["kind"], "AdmissionReview");
    assert_eq!(review["response"]["uid"], "0c9a8d74");
    review["response"].clone()
}

#[test]
fn a_refused_creation_is_invalid_and_tells_all_in_message_and_causes() {
    let mut bad = restore();
    bad["spec"]["overrideOperationLock"] = json!(true);
    bad["spec"]["jwtAuthRole"] = json!("");
    bad["spec"]["source"]["target"]["credentialsSecretRef"] = json!({"name": "s3", "namespace": "payments"});
    let response = answered(Door::Validate, &review("CREATE", &bad, &Value::Null));
    let status = &response["status"];
    assert_eq!((&response["allowed"], &status["code"]), (&json!(false), &json!(422)));
    assert_eq!((&status["status"], &status["reason"]), (&json!("Failure"), &json!("Invalid")));
    let details = &status["details"];
    assert_eq!(details["name"], "prod-restore");
    assert_eq!((&details["group"], &details["kind"]), (&json!("openbao.org"), &json!("OpenBaoRestore")));
    let causes = details["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 4, "{causes:?}");
    let message = status["message"].as_str().unwrap();
    for cause in causes {
        for part in ["field", "message"] {
            assert!(message.contains(cause[part].as_str().unwrap()), "{message} lacks {cause}");
        }
        assert!(cause["reason"].as_str().unwrap().starts_with("FieldValue"), "{cause}");
    }
}

#[test]
fn a_refused_update_is_forbidden_so_that_no_tool_recreates_the_request() {
    let mut changed = restore();
    changed["spec"]["source"]["key"] = json!("b.snap");
    let response = answered(Door::Validate, &review("UPDATE", &changed, &restore()));
    let status = &response["status"];
    assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
    assert!(status["message"].as_str().unwrap().starts_with("spec.source.key: "), "{status}");
    assert!(!response.to_string().to_lowercase().contains("immutable"), "{response}");
}

#[test]
fn an_admitted_object_comes_with_its_warnings() {
    let mut risky = restore();
    risky["spec"]["force"] = json!(true);
    let response = answered(Door::Validate, &review("CREATE", &risky, &Value::Null));
    assert_eq!(response["allowed"], true);
    assert_eq!(response["warnings"].as_array().unwrap().len(), 2);
}

/// Bug: what a warning depends on is passed over while the review is read.
#[test]
fn a_cluster_is_judged_by_how_many_servers_it_has() {
    let warnings = |replicas: u8| {
        let connection = json!({"addresses": ["https://bao.example:8200"]});
        let cluster =
            json!({"metadata": {"name": "c"}, "spec": {"replicas": replicas, "connection": connection}});
        let mut review = review("CREATE", &cluster, &Value::Null);
        review["request"]["kind"]["kind"] = json!("OpenBaoCluster");
        answered(Door::Validate, &review)["warnings"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((warnings(1), warnings(2)), (0, 1));
}

#[test]
fn what_is_left_out_is_patched_in_on_creation_and_from_the_old_object_after() {
    let patched = |response: &Value, object: &Value| {
        let bytes: Vec<u8> = serde_json::from_value(response["patch"].clone()).unwrap();
        let patch: Patch = serde_json::from_slice(&bytes).unwrap();
        let mut object = object.clone();
        json_patch::patch(&mut object, &patch).unwrap();
        object
    };
    let created = answered(Door::Mutate, &review("CREATE", &restore(), &Value::Null));
    assert_eq!(created["patchType"], "JSONPatch");
    let stored = patched(&created, &restore());
    assert_eq!(stored["spec"]["audience"], "openbao-internal");
    assert_eq!(stored["spec"]["executorImage"], "recovery:1");

    let mut stored_before = stored;
    stored_before["spec"]["executorImage"] = json!("recovery:0");
    let updated = answered(Door::Mutate, &review("UPDATE", &restore(), &stored_before));
    assert_eq!(patched(&updated, &restore()), stored_before);
    let unchanged = answered(Door::Mutate, &review("UPDATE", &stored_before, &stored_before));
    assert_eq!((&unchanged["allowed"], &unchanged["patch"]), (&json!(true), &Value::Null));
}

#[test]
fn what_is_not_ours_passes() {
    let mut bad = restore();
    bad["spec"]["cluster"] = json!("");
    let mut status = review("UPDATE", &bad, &restore());
    status["request"]["subResource"] = json!("status");
    let mut other = review("CREATE", &bad, &Value::Null);
    other["request"]["kind"]["group"] = json!("example.org");
    for passing in [status, other, review("DELETE", &Value::Null, &bad)] {
        assert_eq!(answered(Door::Validate, &passing)["allowed"], true);
    }
}

#[test]
fn a_malformed_review_is_an_error_without_a_word_of_the_object() {
    let mut odd = review("CREATE", &restore(), &Value::Null);
    odd["request"]["operation"] = json!("s3cr3t");
    let mut old = review("CREATE", &restore(), &Value::Null);
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let no_old = review("UPDATE", &restore(), &Value::Null);
    let no_new = review("CREATE", &Value::Null, &Value::Null);
    for body in [odd, old, no_old, no_new, json!({}), json!("s3cr3t")] {
        let error = answer(Door::Validate, body.to_string().as_bytes(), &settings()).unwrap_err();
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
    }
}
