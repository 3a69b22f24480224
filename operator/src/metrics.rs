//! What is measured, in the form that Prometheus scrapes.

use api::conditions::Reason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Every metric of the operator. Labels never carry names of objects.
pub(crate) struct Metrics {
    registry: Registry,
    /// Whether this replica leads: 1 or 0.
    pub(crate) leader: Gauge,
    /// Whether this replica is ready: 1 or 0.
    pub(crate) ready: Gauge,
    /// When the webhook's leaf in the PKI Secret expires, seconds since 1970.
    pub(crate) leaf_expiry: Gauge,
    /// Looks at restores that came to their end.
    pub(crate) restore_looks: Counter,
    /// Looks at restores that failed.
    pub(crate) restore_failures: Counter,
    /// Looks at the backups of a cluster that came to their end.
    pub(crate) backup_looks: Counter,
    /// Looks at the backups of a cluster that failed.
    pub(crate) backup_failures: Counter,
    /// Restores that wait, by what for.
    pub(crate) restores_waiting: ByReason,
    /// Clusters whose backups wait, by what for.
    pub(crate) backups_waiting: ByReason,
}

/// How many there are of each reason.
#[derive(Clone, Default)]
pub(crate) struct ByReason(Family<WaitingLabels, Gauge>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WaitingLabels {
    reason: &'static str,
}

impl ByReason {
    /// Moves one from the reason it had to the one it has now.
    pub(crate) fn moves(&self, before: Option<Reason>, now: Option<Reason>) {
        if before == now {
            return;
        }
        let gauge = |reason: Reason| self.0.get_or_create_owned(&WaitingLabels { reason: reason.as_str() });
        if let Some(before) = before {
            gauge(before).dec();
        }
        if let Some(now) = now {
            gauge(now).inc();
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("openbao_recovery_operator");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let leader = gauge("leader", "Whether this replica leads");
        let ready = gauge("ready", "Whether admission works as seen from this replica");
        let leaf_expiry = gauge(
            "webhook_certificate_expiry_timestamp_seconds",
            "When the webhook's certificate in the PKI Secret expires",
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let restore_looks = counter("restore_looks", "Looks at restores that came to their end");
        let restore_failures =
            counter("restore_look_failures", "Looks at restores that failed and are tried again");
        let backup_looks = counter("backup_looks", "Looks at backups of clusters that came to their end");
        let backup_failures =
            counter("backup_look_failures", "Looks at backups of clusters that failed and are tried again");
        let mut by_reason = |name: &str, help: &str| {
            let by_reason = ByReason::default();
            registry.register(name, help, by_reason.0.clone());
            by_reason
        };
        let restores_waiting = by_reason("restores_waiting", "Restores that wait, by what for");
        let backups_waiting = by_reason("backups_waiting", "Clusters whose backups wait, by what for");
        Self {
            registry,
            leader,
            ready,
            leaf_expiry,
            restore_looks,
            restore_failures,
            backup_looks,
            backup_failures,
            restores_waiting,
            backups_waiting,
        }
    }

    /// The text that a scrape gets.
    ///
    /// # Errors
    /// When a value cannot be written as text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
