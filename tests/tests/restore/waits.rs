//! A lock of somebody else: the restore waits, says whom for, and goes on when it is free.

use crate::support::{ENDS_WITHIN, apply, cluster, condition, finished, kubectl, solo, stored};
use serde_json::json;
use tests::openbao::NAMESPACE;

#[tokio::test]
async fn a_held_lock_is_waited_for() {
    let scenario = solo().await;
    scenario.write("before the lock").await.unwrap();
    scenario.put("clusters/solo/locked.snap", scenario.snapshot().await.unwrap()).await.unwrap();
    scenario.write("after the lock").await.unwrap();
    let set = |lock: serde_json::Value| {
        let patch = json!({"status": {"operationLock": lock}}).to_string();
        let arguments = [
            "patch",
            "openbaocluster",
            "solo",
            "-n",
            NAMESPACE,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        kubectl(&arguments);
    };
    set(json!({"operation": "Upgrade", "holder": "openbaocluster/upgrade"}));

    apply(&scenario.request("locked", "clusters/solo/locked.snap"));
    let waiting = cluster().eventually("it says whom it waits for", ENDS_WITHIN, async || {
        let object = stored("locked");
        (condition(&object, "LockHeld").1 == "LockHeldByOther").then_some(object)
    });
    let waiting = waiting.await;
    assert_eq!(waiting["status"]["phase"], "Validating");
    assert!(waiting["status"]["message"].as_str().unwrap().contains("openbaocluster/upgrade"));
    assert_eq!(scenario.read().await.unwrap(), "after the lock");

    set(serde_json::Value::Null);
    let done = finished("locked").await;
    assert_eq!(done["status"]["phase"], "Completed", "{}", done["status"]);
}
