//! What a backplane counts.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge, Registry};

use super::footprint::Footprints;

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
    /// What tenants take of this node's memory.
    pub footprints: Footprints,
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
            footprints: Footprints::default(),
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
