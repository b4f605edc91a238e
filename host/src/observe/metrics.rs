//! Counters and gauges of the broker. Handles are looked up once, by shard and tenant, never on the hot path.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use super::door_refusals::{DoorRefusalKind, DoorRefusals};
use super::tenant_metrics::{AllTenants, TenantCollector, TenantMetrics};
use backplane::BackplaneMetrics;

/// Everything the broker counts beside its hooks.
#[derive(Clone)]
pub struct Metrics {
    /// The registry of all metrics of the process.
    pub registry: Registry,
    disconnects: IntCounterVec,
    reloads: IntCounterVec,
    quarantined: IntGaugeVec,
    api_calls: IntCounterVec,
    tenants: AllTenants,
    /// Messages queued for receivers.
    pub deliveries: IntCounter,
    /// Connections that were refused because the node is full.
    pub refused: IntCounter,
    door_refusals: DoorRefusals,
    /// The metrics of a backplane of many nodes.
    pub backplane: BackplaneMetrics,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let gauges = |name, help, label| add(&registry, IntGaugeVec::new(Opts::new(name, help), &[label]));
        let quarantined = gauges(
            "sluicegate_tenant_quarantined",
            "1: a plugin of the tenant failed when it was loaded, and the tenant keeps what it had or its clients are sent away.",
            "tenant",
        );
        let counters = |name, help, labels: &[&str]| add(&registry, IntCounterVec::new(Opts::new(name, help), labels));
        let backplane = BackplaneMetrics::new(&registry);
        let metrics = Self {
            quarantined,
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
            door_refusals: DoorRefusals::new(&counters(DoorRefusals::NAME, DoorRefusals::HELP, &DoorRefusals::LABELS)),
            tenants: AllTenants::new(backplane.footprints.clone()),
            deliveries: add(
                &registry,
                IntCounter::new("sluicegate_deliveries_total", "Messages queued for receivers."),
            ),
            backplane,
            refused: add(
                &registry,
                IntCounter::new(
                    "sluicegate_refused_connections_total",
                    "Connections refused at the door because the node is full.",
                ),
            ),
            registry: registry.clone(),
        };
        metrics.show(TenantCollector::new(metrics.tenants.clone()));
        for result in ["ok", "failed"] {
            metrics.reloads.with_label_values(&[result]);
        }
        metrics
    }

    /// Shows what another module counts.
    pub fn show(&self, collector: impl Collector + 'static) {
        let registered = self.registry.register(Box::new(collector));
        registered.expect("metric names are unique");
    }

    /// The counts of `tenant`.
    pub fn tenant(&self, tenant: &Arc<str>) -> Arc<TenantMetrics> {
        self.tenants.of(tenant)
    }

    /// A connection ended with this code. No client chooses what is written here.
    pub fn disconnected(&self, code: &str) {
        self.disconnects.with_label_values(&[code]).inc();
    }

    /// The door sent somebody away.
    pub fn refused_at_door(&self, kind: DoorRefusalKind) {
        self.door_refusals.count(kind);
    }

    /// A reload was done, or refused.
    pub fn reloaded(&self, ok: bool) {
        let result = if ok { "ok" } else { "failed" };
        self.reloads.with_label_values(&[result]).inc();
    }

    /// Whether a tenant is quarantined.
    pub fn quarantined(&self, tenant: &str, is_quarantined: bool) {
        self.quarantined.with_label_values(&[tenant]).set(is_quarantined.into());
    }

    /// There is no such tenant any more. What its sessions counted is not shown once they have ended.
    pub fn forget(&self, tenant: &str) {
        // One that nobody spoke of is not there.
        drop(self.quarantined.remove_label_values(&[tenant]));
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
