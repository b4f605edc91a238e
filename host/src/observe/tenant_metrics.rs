//! What is counted of each tenant. A tenant's series are made when they are read, and only of tenants that were in use: one
//! that sleeps costs its counts alone, whoever reads the metrics locks nothing that a shard waits for while it works.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{self, MetricFamily, MetricType};

use backplane::{Footprints, MemoryUse, TenantFootprint};

/// The counts of all tenants.
#[derive(Clone)]
pub(super) struct AllTenants {
    metrics: Arc<Mutex<MetricsByName>>,
    footprints: Footprints,
}

type MetricsByName = HashMap<Arc<str>, Arc<TenantMetrics>, RandomState>;

/// Makes series of the counts when they are read.
pub(super) struct TenantCollector {
    tenants: AllTenants,
    descs: Vec<Desc>,
}

/// The counts of one tenant on this node.
#[derive(Default)]
pub struct TenantMetrics {
    /// What it takes of this node's memory.
    pub footprint: Arc<TenantFootprint>,
    /// Something was counted at a time when the metrics were read.
    was_used: AtomicBool,
    /// Sessions that are connected.
    pub connections: CurrentCount,
    pub subscriptions: CurrentCount,
    /// Publishes that the backplane accepted.
    pub published: EventCount,
    /// Publishes that a plugin discarded.
    pub discarded: EventCount,
    /// Publishes that were refused.
    pub refused: EventCount,
    /// Time that its sessions used, hooks included.
    pub request_time: TimeCount,
    /// Time that bringing messages to its subscribers took.
    pub delivery_time: TimeCount,
    /// Requests beyond `limits.requests_per_second` or `limits.publish_per_second`.
    pub throttled_by_rate: EventCount,
    /// Requests that waited too long for their turn.
    pub throttled_by_turn: EventCount,
    /// Connects while too many on-disconnect hooks waited for their turn.
    pub throttled_by_departed: EventCount,
    /// Handshakes beyond `limits.connects_per_second`.
    pub throttled_by_connects: EventCount,
    /// Handshakes beyond `limits.share_of_connections`.
    pub throttled_by_share: EventCount,
    /// Connects beyond `limits.connects_per_second_per_user`.
    pub throttled_by_user: EventCount,
    /// Connects and refreshes with a revoked token.
    pub revoked: EventCount,
    /// Sessions that ended because their token was revoked.
    pub ended_by_revocation: EventCount,
    /// Revocations beyond `limits.revocations`.
    pub revocations_refused: EventCount,
    /// Sessions that wait for their turn, and on-disconnect hooks.
    pub waiting: CurrentCount,
    /// Messages and changes of who is present that have arrived and wait for their turn to be delivered.
    pub waiting_deliveries: CurrentCount,
}

/// What only rises.
#[derive(Default)]
pub struct EventCount(AtomicU64);

/// What rises and falls.
#[derive(Default)]
pub struct CurrentCount(AtomicI64);

/// Time that was used, in nanoseconds.
#[derive(Default)]
pub struct TimeCount(AtomicU64);

/// One family of series: its name, what it is, and a tenant's values, by the second label where there is one.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    label: Option<&'static str>,
    values: fn(&TenantMetrics) -> Vec<(&'static str, f64)>,
}

const FAMILIES: [Family; 10] = [
    Family {
        name: "sluicegate_connections",
        help: "Sessions that are connected.",
        kind: MetricType::GAUGE,
        label: None,
        values: |of| vec![("", of.connections.value())],
    },
    Family {
        name: "sluicegate_subscriptions",
        help: "Subscriptions of connected sessions.",
        kind: MetricType::GAUGE,
        label: None,
        values: |of| vec![("", of.subscriptions.value())],
    },
    Family {
        name: "sluicegate_publishes_total",
        help: "Publish requests by what became of them.",
        kind: MetricType::COUNTER,
        label: Some("result"),
        values: |of| {
            vec![
                ("accepted", of.published.value()),
                ("discarded", of.discarded.value()),
                ("refused", of.refused.value()),
            ]
        },
    },
    Family {
        name: "sluicegate_tenant_request_seconds_total",
        help: "Time of shards that a tenant's sessions used, hooks included.",
        kind: MetricType::COUNTER,
        label: None,
        values: |of| vec![("", of.request_time.value())],
    },
    Family {
        name: "sluicegate_tenant_delivery_seconds_total",
        help: "Time of shards that it took to bring messages to a tenant's subscribers.",
        kind: MetricType::COUNTER,
        label: None,
        values: |of| vec![("", of.delivery_time.value())],
    },
    Family {
        name: "sluicegate_tenant_throttled_total",
        help: "Requests refused by the broker: with 4429 over a rate, or after too long a wait for their turn; with 4430 at the \
               tenant's ceiling of memory.",
        kind: MetricType::COUNTER,
        label: Some("what"),
        values: |of| {
            vec![
                ("rate", of.throttled_by_rate.value()),
                ("turn", of.throttled_by_turn.value()),
                ("departed", of.throttled_by_departed.value()),
                ("connects", of.throttled_by_connects.value()),
                ("share", of.throttled_by_share.value()),
                ("user_connects", of.throttled_by_user.value()),
                ("memory", shown(of.footprint.refused())),
            ]
        },
    },
    Family {
        name: "sluicegate_tenant_revocations_total",
        help: "What revocations of tokens came to: connects and refreshes that were refused, sessions that were ended, and \
               revocations beyond limits.revocations, which are not remembered.",
        kind: MetricType::COUNTER,
        label: Some("what"),
        values: |of| {
            vec![
                ("refused", of.revoked.value()),
                ("ended", of.ended_by_revocation.value()),
                ("full", of.revocations_refused.value()),
            ]
        },
    },
    Family {
        name: "sluicegate_tenant_open_channels",
        help: "Channels of the tenant that are open on this node.",
        kind: MetricType::GAUGE,
        label: None,
        values: |of| vec![("", shown(of.footprint.open_channels() as u64))],
    },
    Family {
        name: "sluicegate_tenant_memory_bytes",
        help: "Memory of this node that the tenant takes, by what it is for.",
        kind: MetricType::GAUGE,
        label: Some("what"),
        values: |of| {
            let bytes = |what: MemoryUse| (what.name(), shown(of.footprint.bytes(what) as u64));
            MemoryUse::ALL.map(bytes).into()
        },
    },
    Family {
        name: "sluicegate_tenant_waiting",
        help: "What waits for the tenant's turn on a shard: sessions with something to do, and what is to be delivered.",
        kind: MetricType::GAUGE,
        label: Some("what"),
        values: |of| {
            vec![
                ("sessions", of.waiting.value()),
                ("deliveries", of.waiting_deliveries.value()),
            ]
        },
    },
];

/// Of all tenants together.
const OUTBOXES: Family = Family {
    name: "sluicegate_outbox_bytes",
    help: "Bytes that wait for clients to read them.",
    kind: MetricType::GAUGE,
    label: None,
    values: |_| Vec::new(),
};

// === impl AllTenants ===

impl AllTenants {
    /// No tenants yet.
    pub(super) fn new(footprints: Footprints) -> Self {
        Self {
            metrics: Arc::default(),
            footprints,
        }
    }

    /// The counts of `tenant`.
    pub(super) fn of(&self, tenant: &Arc<str>) -> Arc<TenantMetrics> {
        let mut metrics = self.metrics.lock();
        let new = || TenantMetrics {
            footprint: self.footprints.of(tenant),
            ..TenantMetrics::default()
        };
        metrics.entry(tenant.clone()).or_insert_with(|| Arc::new(new())).clone()
    }

    /// Those that were in use, by name. Those of tenants that nobody knows any more are forgotten.
    fn used(&self) -> Vec<(Arc<str>, Arc<TenantMetrics>)> {
        let mut tenants = self.metrics.lock();
        tenants.retain(|_, metrics| Arc::strong_count(metrics) > 1);
        self.footprints.sweep();
        let used = tenants.iter().filter(|(_, metrics)| metrics.is_used());
        let mut used: Vec<_> = used
            .map(|(tenant, metrics)| (tenant.clone(), metrics.clone()))
            .collect();
        drop(tenants);
        used.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        used
    }
}

// === impl TenantCollector ===

impl TenantCollector {
    pub(super) fn new(tenants: AllTenants) -> Self {
        let descs = FAMILIES.iter().chain([&OUTBOXES]).map(|family| {
            let labels = std::iter::once("tenant").chain(family.label).map(str::to_owned);
            let desc = Desc::new(family.name.into(), family.help.into(), labels.collect(), HashMap::new());
            desc.expect("metric names are valid")
        });
        Self {
            descs: descs.collect(),
            tenants,
        }
    }
}

impl Collector for TenantCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let used = self.tenants.used();
        let outboxes = used
            .iter()
            .map(|(_, of)| of.footprint.bytes(MemoryUse::Outboxes) as u64);
        let outboxes = OUTBOXES.with(vec![OUTBOXES.series(None, "", shown(outboxes.sum()))]);
        let families = FAMILIES.iter().filter(|_| !used.is_empty());
        families.map(|family| family.of(&used)).chain([outboxes]).collect()
    }
}

impl Family {
    fn of(&self, tenants: &[(Arc<str>, Arc<TenantMetrics>)]) -> MetricFamily {
        let series = tenants.iter().flat_map(|(tenant, metrics)| {
            let values = (self.values)(metrics).into_iter();
            values.map(|(what, value)| self.series(Some(tenant), what, value))
        });
        self.with(series.collect())
    }

    fn with(&self, series: Vec<proto::Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.into());
        family.set_help(self.help.into());
        family.set_field_type(self.kind);
        family.set_metric(series);
        family
    }

    fn series(&self, tenant: Option<&str>, what: &str, value: f64) -> proto::Metric {
        let label = |name: &str, value: &str| {
            let mut label = proto::LabelPair::default();
            label.set_name(name.into());
            label.set_value(value.into());
            label
        };
        let mut labels: Vec<_> = tenant.map(|tenant| label("tenant", tenant)).into_iter().collect();
        labels.extend(self.label.map(|name| label(name, what)));
        labels.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        let mut series = proto::Metric::from_label(labels);
        if self.kind == MetricType::COUNTER {
            let mut counter = proto::Counter::default();
            counter.set_value(value);
            series.set_counter(counter);
        } else {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            series.set_gauge(gauge);
        }
        series
    }
}

impl TenantMetrics {
    /// Whether anything was ever counted, as far as was seen.
    fn is_used(&self) -> bool {
        let mut values = FAMILIES.iter().flat_map(|family| (family.values)(self));
        if !self.was_used.load(Ordering::Relaxed) && values.any(|(_, value)| value != 0.0) {
            self.was_used.store(true, Ordering::Relaxed);
        }
        self.was_used.load(Ordering::Relaxed)
    }
}

// === impl EventCount, CurrentCount, TimeCount ===

impl EventCount {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn value(&self) -> f64 {
        shown(self.get())
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown, not reckoned with")]
fn shown(value: u64) -> f64 {
    value as f64
}

impl CurrentCount {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn dec(&self) {
        self.add(-1);
    }

    pub fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    #[expect(clippy::cast_precision_loss, reason = "it is shown, not reckoned with")]
    fn value(&self) -> f64 {
        self.get() as f64
    }
}

impl TimeCount {
    pub fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn value(&self) -> f64 {
        self.get().as_secs_f64()
    }
}
