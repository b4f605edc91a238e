//! What a backplane counts.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

/// What a backplane counts: mostly one of many nodes.
#[derive(Clone)]
pub struct BackplaneMetrics {
    /// 1 while messages get through.
    pub up: IntGauge,
    /// Times that the subscriptions were lost and begun anew.
    pub resubscribed: IntCounter,
    /// Holes in channels that were filled from the history, or found to be none.
    pub filled: IntCounter,
    /// Holes that could not be filled: subscriptions ended with 4002.
    pub lost: IntCounter,
    /// Times that plugins waited in vain for what nodes share.
    pub stalls: IntCounter,
    open_channels: IntGaugeVec,
    tenant_memory: IntGaugeVec,
}

/// What is counted of one tenant.
pub(crate) struct TenantGauges {
    pub open_channels: IntGauge,
    /// Bytes of its histories and keys in memory.
    pub histories: IntGauge,
}

impl BackplaneMetrics {
    /// All at zero, for tests: nobody collects them.
    #[cfg(test)]
    pub(crate) fn unregistered() -> Self {
        Self::new(&Registry::new())
    }

    /// All at zero, registered where the metrics of the process meet.
    pub fn new(registry: &Registry) -> Self {
        let counter = |name, help| add(registry, IntCounter::new(name, help));
        let gauges = |name, help, labels: &[&str]| add(registry, IntGaugeVec::new(Opts::new(name, help), labels));
        let up = IntGauge::new("sluicegate_backplane_up", "1 while messages get through the backplane.");
        Self {
            up: add(registry, up),
            resubscribed: counter(
                "sluicegate_backplane_resubscribed_total",
                "Times that the subscriptions in Redis were lost and begun anew.",
            ),
            filled: counter(
                "sluicegate_backplane_checked_total",
                "Channels whose history was read to fill a hole, or to see that there is none.",
            ),
            lost: counter(
                "sluicegate_backplane_lost_total",
                "Channels with a hole that could not be filled; their subscriptions ended with 4002.",
            ),
            stalls: counter(
                "sluicegate_backplane_stalls_total",
                "Times that plugins began to do without shared values and limits, because Redis was slow.",
            ),
            open_channels: gauges(
                "sluicegate_tenant_open_channels",
                "Channels of the tenant that are open on this node.",
                &["tenant"],
            ),
            tenant_memory: gauges(
                "sluicegate_tenant_memory_bytes",
                "Memory of this node that the tenant takes, by what it is for.",
                &["tenant", "what"],
            ),
        }
    }

    /// The gauges of `tenant`.
    pub(crate) fn tenant(&self, tenant: &str) -> TenantGauges {
        TenantGauges {
            open_channels: self.open_channels.with_label_values(&[tenant]),
            histories: self.tenant_memory.with_label_values(&[tenant, "histories"]),
        }
    }
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: prometheus::Result<C>) -> C {
    let collector = collector.expect("metric names are valid");
    registry
        .register(Box::new(collector.clone()))
        .expect("metric names are unique");
    collector
}
