//! What kubectl shows of a cluster that is backed up.

use crate::site::Site;
use crate::support::kubectl;
use serde_json::Value;

/// Bug: a column or a field of the user's document that is empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_shows_what_the_document_promises() {
    let site = Site::begin("views").await;
    site.patch(
        &serde_json::json!({"spec": {"backup": {"schedule": "0 3 * * *", "timeZone": "Europe/Berlin"}}}),
    )
    .await;
    site.make("manual-1").await;
    let backup = site.until("it is made", |backup| backup["lastBackupName"].is_string()).await;
    let get = |more: &[&str]| {
        kubectl(&[&["get", "openbaocluster", "c", "-n", site.rehearsal.namespace()], more].concat())
    };
    let told: Value = serde_json::from_str(&get(&["-o", "jsonpath={.status.backup}"])).unwrap();
    assert_eq!(told, backup);
    let wide = get(&["-o", "wide"]);
    for word in ["LAST-BACKUP", "FAILURES", "SCHEDULE", "0 3 * * *", "NEXT"] {
        assert!(wide.contains(word), "no {word}: {wide}");
    }
    let next = backup["nextScheduledBackup"].as_str().unwrap();
    assert!(
        wide.contains(next) && (next.contains("T01:00:00") || next.contains("T02:00:00")),
        "{next}: {wide}"
    );
    let described = kubectl(&["describe", "openbaocluster", "c", "-n", site.rehearsal.namespace()]);
    for word in ["Last Backup Name", "BackupHealthy", "BackupScheduled", "BackupMade"] {
        assert!(described.contains(word), "no {word}: {described}");
    }
    println!("{}{wide}{described}", get(&[]));
}
