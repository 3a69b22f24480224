//! What the webhook counts.

use crate::review::{Answer, Door};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// How a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    Admitted,
    Refused,
    Malformed,
    /// The webhook itself failed.
    Broken,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Review {
    door: &'static str,
    kind: &'static str,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Violation {
    rule: &'static str,
}

/// Counters and gauges, and the registry that writes them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    reviews: Family<Review, Counter>,
    violations: Family<Violation, Counter>,
    /// Open connections, those to the probes included.
    pub(crate) connections: Gauge,
    /// Connections that were ended because somebody else needed their place.
    pub(crate) evicted: Counter,
    /// When the served certificate expires, Unix seconds; 0: none was loaded yet.
    pub(crate) certificate_expiry: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("openbao_recovery_webhook");
        let reviews = Family::default();
        registry.register("reviews", "Admission reviews answered", reviews.clone());
        let violations = Family::default();
        registry.register("violations", "Violations found, by rule", violations.clone());
        let (connections, evicted) = (Gauge::default(), Counter::default());
        registry.register("connections", "Open connections", connections.clone());
        registry.register("connections_evicted", "Connections ended to make room", evicted.clone());
        let certificate_expiry = Gauge::default();
        let help = "When the served certificate expires, as a Unix time";
        let expiry = certificate_expiry.clone();
        registry.register_with_unit("certificate_expiry_timestamp", help, Unit::Seconds, expiry);
        Self { registry, reviews, violations, connections, evicted, certificate_expiry }
    }

    pub(crate) fn count(&self, door: Door, answer: &Answer) {
        let outcome = if answer.verdict.is_refused() { Outcome::Refused } else { Outcome::Admitted };
        self.add(door, answer.kind.map_or("other", rules::Kind::name), outcome);
        for violation in &answer.verdict.violations {
            self.violations.get_or_create(&Violation { rule: violation.rule }).inc();
        }
    }

    /// A review without an answer.
    pub(crate) fn count_failure(&self, door: Door, outcome: Outcome) {
        self.add(door, "other", outcome);
    }

    fn add(&self, door: Door, kind: &'static str, outcome: Outcome) {
        let door = match door {
            Door::Mutate => "mutate",
            Door::Validate => "validate",
        };
        self.reviews.get_or_create(&Review { door, kind, outcome }).inc();
    }

    /// All of it in `OpenMetrics` text form.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
