//! The tail of a good backup: what the policy says is deleted, decided over a whole listing. Nothing that goes wrong here
//! makes the backup any less good.

use crate::report::{short, told};
use api::task::{BackupOrder, NAMED_KEYS, Pruned, Task};
use archive::keys;
use futures::TryStreamExt;
use jiff::Timestamp;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt};
use plan::retention::{self, Listed};

/// Deletes what is due after the backup `made`.
pub(super) async fn prune(
    store: &AmazonS3,
    task: &Task,
    order: &BackupOrder,
    made: &str,
    now: Timestamp,
) -> Pruned {
    let listed = match list(store, &task.key).await {
        Ok(listed) => listed,
        Err(error) => {
            return remark(format!("Nothing was deleted, since the bucket cannot be listed: {error}"));
        }
    };
    let began = |key: &str| keys::began(&task.key, key);
    let decision = retention::decide(&listed, began, order, made, now);
    let mut pruned = Pruned { remark: decision.remark, ..Pruned::default() };
    for key in &decision.backups {
        // Without its manifest it is no backup any more: nobody finds half of one.
        if !delete(store, &keys::manifest(key), &mut pruned).await || !delete(store, key, &mut pruned).await {
            return pruned;
        }
        pruned.backups += 1;
        name(&mut pruned, key);
    }
    for key in &decision.leftovers {
        if !delete(store, key, &mut pruned).await {
            return pruned;
        }
        pruned.leftovers += 1;
        name(&mut pruned, key);
    }
    pruned
}

fn remark(text: String) -> Pruned {
    tracing::warn!("{text}");
    Pruned { remark: Some(text), ..Pruned::default() }
}

fn name(pruned: &mut Pruned, key: &str) {
    tracing::info!(key, "deleted by retention");
    if pruned.keys.len() < NAMED_KEYS {
        pruned.keys.push(key.to_owned());
    }
}

/// Every object of the folder; a page that does not come is an error for all.
async fn list(store: &AmazonS3, folder: &str) -> Result<Vec<Listed>, String> {
    let prefix = Path::parse(folder.trim_end_matches('/')).map_err(|error| error.to_string())?;
    let all = store.list(Some(&prefix)).map_ok(|found: ObjectMeta| {
        let modified = Timestamp::from_second(found.last_modified.timestamp()).unwrap_or(Timestamp::MAX);
        Listed { key: found.location.to_string(), modified }
    });
    all.try_collect().await.map_err(|error: Error| brief(&error))
}

/// Whether it is gone; what the store says instead is kept for the reader.
async fn delete(store: &AmazonS3, key: &str, pruned: &mut Pruned) -> bool {
    let deleted = match Path::parse(key) {
        Ok(path) => store.delete(&path).await,
        Err(error) => Err(error.into()),
    };
    match deleted {
        Ok(()) | Err(Error::NotFound { .. }) => true,
        Err(error) => {
            let text = format!("Less was deleted than is due: {key} stays, {}", brief(&error));
            tracing::warn!("{text}");
            pruned.remark = Some(text);
            false
        }
    }
}

/// What a store says may be a page of a proxy.
fn brief(error: &Error) -> String {
    short(&told(error))
}
