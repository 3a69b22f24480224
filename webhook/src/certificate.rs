//! Follows the two files of the certificate.

use certs::reload::Resolver;
use prometheus_client::metrics::gauge::Gauge;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the files are read. By content, since a Secret volume swaps symbolic links under them.
const INTERVAL: Duration = Duration::from_secs(2);

/// The mounted pair, and the resolver that serves it.
#[derive(Debug)]
pub(crate) struct Files {
    directory: PathBuf,
    resolver: Arc<Resolver>,
    expiry: Gauge,
    /// What was read last, whether it could be served or not.
    seen: Option<(String, String)>,
}

impl Files {
    pub(crate) fn new(directory: PathBuf, resolver: Arc<Resolver>, expiry: Gauge) -> Self {
        Self { directory, resolver, expiry, seen: None }
    }

    /// Follows the files for ever.
    pub(crate) async fn follow(mut self) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut missing = false;
        loop {
            ticks.tick().await;
            let before = missing;
            missing = self.look().await.is_err();
            if missing && !before {
                let directory = self.directory.display();
                tracing::warn!(%directory, "tls.crt and tls.key are not there: waiting for them");
            }
        }
    }

    /// Loads the pair if it is another one than before.
    ///
    /// # Errors
    /// When a file cannot be read; what is served stays.
    pub(crate) async fn look(&mut self) -> io::Result<()> {
        let pair = (read(&self.directory, "tls.crt").await?, read(&self.directory, "tls.key").await?);
        if self.seen.as_ref() == Some(&pair) {
            return Ok(());
        }
        match self.resolver.load(&pair.0, &pair.1) {
            Ok(not_after) => {
                self.expiry.set(not_after.as_second());
                tracing::info!(%not_after, "certificate loaded");
            }
            // Also seen for a moment where the two files were read across a swap.
            Err(error) => tracing::warn!(%error, "certificate not loaded"),
        }
        self.seen = Some(pair);
        Ok(())
    }
}

async fn read(directory: &Path, name: &str) -> io::Result<String> {
    tokio::fs::read_to_string(directory.join(name)).await
}
