//! Each way in which a backup logs in, with a real OpenBao. The role that the README tells of is what all other tests have.

use crate::support::{is_backed_up, solo};
use reqwest::Method;
use serde_json::{Value, json};
use tests::scenario::Scenario;

/// What a cluster makes of itself that was initialised with OIDC: a mount of its own, and the role for backups in it.
async fn set_up_by_itself(scenario: &Scenario<'_>) {
    let read = async |path: &str| scenario.bao(Method::GET, path, Value::Null).await.unwrap()["data"].clone();
    let (config, role) = (read("auth/jwt/config").await, read("auth/jwt/role/backup").await);
    let keys = json!({"bound_issuer": config["bound_issuer"], "jwt_validation_pubkeys": config["jwt_validation_pubkeys"]});
    for (path, body) in [
        ("sys/auth/jwt-operator", json!({"type": "jwt"})),
        ("auth/jwt-operator/config", keys),
        ("auth/jwt-operator/role/openbao-operator-backup", role),
    ] {
        scenario.bao(Method::POST, path, body).await.unwrap();
    }
}

/// Bug: the role of a cluster that set its own auth method up is not taken, or a token is not read where the spec says.
#[tokio::test]
async fn a_cluster_is_backed_up_by_its_own_role_and_by_a_token() {
    let scenario = solo().await;
    set_up_by_itself(&scenario).await;
    let by_itself = json!({"selfInit": {"oidc": {"enabled": true}}, "backup": {"jwtAuthRole": null, "tokenSecretRef": null}});
    is_backed_up(&scenario, "by-itself", &by_itself).await;

    let wanted = json!({"policies": ["backup"], "no_default_policy": true});
    let token = scenario.bao(Method::POST, "auth/token/create", wanted).await.unwrap();
    scenario.secret("backup-token", &json!({"is": token["auth"]["client_token"]})).unwrap();
    let by_token = json!({
        "selfInit": null, "backup": {"tokenSecretRef": {"name": "backup-token", "key": "is"}}
    });
    is_backed_up(&scenario, "by-token", &by_token).await;
    let looked_up = json!({"token": token["auth"]["client_token"]});
    let still_there = scenario.bao(Method::POST, "auth/token/lookup", looked_up).await;
    assert!(still_there.is_ok(), "the owner's token was revoked: {still_there:?}");

    let by_role = json!({"backup": {"jwtAuthRole": "backup", "tokenSecretRef": null}});
    is_backed_up(&scenario, "by-role", &by_role).await;
}
