//! Backups of a site by hand, as the product makes them: with a manifest that names the snapshot's marker.

use super::{KEPT, LOST, Place, Site};
use api::{OpenBaoCluster, names};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

static ASKED: AtomicU32 = AtomicU32::new(1);

impl Place {
    /// Changes an OpenBaoCluster.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn patch(&self, cluster: &str, patch: &Value) -> anyhow::Result<()> {
        let clusters: Api<OpenBaoCluster> = self.objects();
        clusters.patch(cluster, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Status of an OpenBaoCluster.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn status(&self, cluster: &str) -> anyhow::Result<Value> {
        let clusters: Api<OpenBaoCluster> = self.objects();
        Ok(json!(clusters.get(cluster).await?.status.unwrap_or_default()))
    }

    /// Asks for a backup of an OpenBaoCluster.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn ask_for_backup(&self, cluster: &str) -> anyhow::Result<()> {
        let trigger = ASKED.fetch_add(1, Ordering::Relaxed).to_string();
        self.patch(cluster, &json!({"metadata": {"annotations": {names::TRIGGER_BACKUP: trigger}}})).await
    }

    /// Makes a backup of an OpenBaoCluster, and waits until it is whole and the lock is free; gives its key.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn back_up(&self, cluster: &str) -> anyhow::Result<String> {
        let before = self.status(cluster).await?["backup"]["lastBackupName"].clone();
        self.ask_for_backup(cluster).await?;
        let made = async || {
            let status = self.status(cluster).await.ok()?;
            let key = status["backup"]["lastBackupName"].as_str()?.to_owned();
            (before != json!(key) && status["operationLock"].is_null()).then_some(key)
        };
        Ok(self.eventually(&format!("a backup of {cluster}"), made).await)
    }
}

impl Site {
    /// Has it backed up into the store of the cluster, whenever that is asked for.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn is_backed_up(&self) -> anyhow::Result<()> {
        self.place.patch(&self.name, &json!({"spec": {"backup": self.scenario.backup()}})).await
    }

    /// Asks for a backup.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn ask_for_backup(&self) -> anyhow::Result<()> {
        self.place.ask_for_backup(&self.name).await
    }

    /// Status of its OpenBaoCluster.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn status(&self) -> anyhow::Result<Value> {
        self.place.status(&self.name).await
    }

    /// Makes a backup, and waits until it is whole and the lock is free; gives its key.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn back_up(&self) -> anyhow::Result<String> {
        self.place.back_up(&self.name).await
    }

    /// Makes a backup with [`KEPT`], and overwrites the value; gives the backup's key.
    ///
    /// # Errors
    /// When OpenBao or the API server refuses.
    pub async fn lose_by_backup(&self) -> anyhow::Result<String> {
        self.scenario.write(KEPT).await?;
        self.is_backed_up().await?;
        let key = self.back_up().await?;
        self.scenario.write(LOST).await?;
        Ok(key)
    }
}
