//! What is measured, in the form that Prometheus scrapes.

use prometheus_client::encoding::text::encode;
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
        Self { registry, leader, ready, leaf_expiry }
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
