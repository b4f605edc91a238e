//! Counters and gauges of the broker. Handles are looked up once, by shard and tenant, never on the hot path.

use backplane::BackplaneMetrics;
use prometheus::{
    Counter, CounterVec, Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};

/// Everything the broker counts beside its hooks.
#[derive(Clone)]
pub struct Metrics {
    /// The registry of all metrics of the process.
    pub registry: Registry,
    connections: IntGaugeVec,
    subscriptions: IntGaugeVec,
    publishes: IntCounterVec,
    disconnects: IntCounterVec,
    reloads: IntCounterVec,
    quarantined: IntGaugeVec,
    api_calls: IntCounterVec,
    request_seconds: CounterVec,
    throttled: IntCounterVec,
    /// Messages queued for receivers.
    pub deliveries: IntCounter,
    /// Bytes that wait for clients to read them.
    pub outbox_bytes: IntGauge,
    /// Connections that were refused because the node is full.
    pub refused: IntCounter,
    /// The metrics of a backplane of many nodes.
    pub backplane: BackplaneMetrics,
}

#[derive(Clone)]
pub struct TenantMetrics {
    /// Sessions that are connected.
    pub connections: IntGauge,
    pub subscriptions: IntGauge,
    /// Publishes that the backplane accepted.
    pub published: IntCounter,
    /// Publishes that a plugin discarded.
    pub discarded: IntCounter,
    /// Publishes that were refused.
    pub refused: IntCounter,
    /// Time that its sessions used.
    pub request_seconds: Counter,
    /// Requests beyond `limits.requests_per_second` or `limits.publish_per_second`.
    pub throttled_by_rate: IntCounter,
    /// Requests that waited too long for their turn.
    pub throttled_by_turn: IntCounter,
    /// Connects while too many on-disconnect hooks waited for their turn.
    pub throttled_by_departed: IntCounter,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let gauges = |name, help, label| add(&registry, IntGaugeVec::new(Opts::new(name, help), &[label]));
        let connections = gauges("sluicegate_connections", "Sessions that are connected.", "tenant");
        let subscriptions = gauges(
            "sluicegate_subscriptions",
            "Subscriptions of connected sessions.",
            "tenant",
        );
        let quarantined = gauges(
            "sluicegate_tenant_quarantined",
            "1: a plugin of the tenant failed when it was loaded, and the tenant keeps what it had or its clients are sent away.",
            "tenant",
        );
        let counters = |name, help, labels: &[&str]| add(&registry, IntCounterVec::new(Opts::new(name, help), labels));
        let metrics = Self {
            connections,
            subscriptions,
            quarantined,
            publishes: counters(
                "sluicegate_publishes_total",
                "Publish requests by what became of them.",
                &["tenant", "result"],
            ),
            disconnects: counters(
                "sluicegate_disconnects_total",
                "Ended connections by close code.",
                &["code"],
            ),
            reloads: counters(
                "sluicegate_reloads_total",
                "Reloads of config and plugins.",
                &["result"],
            ),
            api_calls: counters(
                "sluicegate_api_calls_total",
                "Calls of the admin API by what was called and the status of the answer.",
                &["call", "status"],
            ),
            request_seconds: add(
                &registry,
                CounterVec::new(
                    Opts::new(
                        "sluicegate_tenant_request_seconds_total",
                        "Time of shards that a tenant's sessions used, hooks included.",
                    ),
                    &["tenant"],
                ),
            ),
            throttled: counters(
                "sluicegate_tenant_throttled_total",
                "Requests refused with 4429 by the broker: over a rate, or after too long a wait for their turn.",
                &["tenant", "what"],
            ),
            deliveries: add(
                &registry,
                IntCounter::new("sluicegate_deliveries_total", "Messages queued for receivers."),
            ),
            outbox_bytes: add(
                &registry,
                IntGauge::new("sluicegate_outbox_bytes", "Bytes that wait for clients to read them."),
            ),
            backplane: BackplaneMetrics::new(&registry),
            refused: add(
                &registry,
                IntCounter::new(
                    "sluicegate_refused_connections_total",
                    "Connections refused at the door because the node is full.",
                ),
            ),
            registry: registry.clone(),
        };
        for result in ["ok", "failed"] {
            metrics.reloads.with_label_values(&[result]);
        }
        metrics
    }

    /// Shows what another module counts.
    pub fn show(&self, collector: impl Collector + Clone + 'static) {
        add(&self.registry, Ok(collector));
    }

    /// The handles of `tenant`.
    pub fn tenant(&self, tenant: &str) -> TenantMetrics {
        let publishes = |result| self.publishes.with_label_values(&[tenant, result]);
        let throttled = |what| self.throttled.with_label_values(&[tenant, what]);
        TenantMetrics {
            connections: self.connections.with_label_values(&[tenant]),
            subscriptions: self.subscriptions.with_label_values(&[tenant]),
            published: publishes("accepted"),
            discarded: publishes("discarded"),
            refused: publishes("refused"),
            request_seconds: self.request_seconds.with_label_values(&[tenant]),
            throttled_by_rate: throttled("rate"),
            throttled_by_turn: throttled("turn"),
            throttled_by_departed: throttled("departed"),
        }
    }

    /// A connection ended with this code. No client chooses what is written here.
    pub fn disconnected(&self, code: &str) {
        self.disconnects.with_label_values(&[code]).inc();
    }

    /// A reload was done, or refused.
    pub fn reloaded(&self, ok: bool) {
        let result = if ok { "ok" } else { "failed" };
        self.reloads.with_label_values(&[result]).inc();
    }

    /// These are the tenants, and whether each is quarantined.
    pub fn quarantined<'a>(&self, tenants: impl Iterator<Item = (&'a str, bool)>) {
        // Tenants that left are not shown any more.
        self.quarantined.reset();
        for (tenant, is_quarantined) in tenants {
            self.quarantined.with_label_values(&[tenant]).set(is_quarantined.into());
        }
    }

    /// Counts an answered call of the admin API. `call` is the endpoint's name, so the labels are bounded.
    pub fn api_called(&self, call: &str, status: u16) {
        self.api_calls.with_label_values(&[call, &status.to_string()]).inc();
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("metrics encode into memory");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: prometheus::Result<C>) -> C {
    let collector = collector.expect("metric names are valid");
    registry
        .register(Box::new(collector.clone()))
        .expect("metric names are unique");
    collector
}
