//! A plugin's own counters.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use prometheus::IntCounter;
use sluicegate_contract::limits::{COUNTER_NAME_BYTES as NAME_BYTES, COUNTERS as NAMES};
use thiserror::Error;

use crate::meter::Meter;

/// The counters of one plugin in one tenant.
pub(crate) struct Counters {
    meter: Arc<Meter>,
    tenant: Arc<str>,
    plugin: Arc<str>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    counters: HashMap<Box<str>, IntCounter>,
    complained: bool,
}

/// A name that no counter can have.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("a counter's name is [a-z_][a-z0-9_]* of at most {NAME_BYTES} bytes")]
pub(crate) struct BadName;

// === impl Counters ===

impl Counters {
    pub(super) fn new(meter: &Arc<Meter>, tenant: &Arc<str>, plugin: &Arc<str>) -> Self {
        Self {
            meter: Arc::clone(meter),
            tenant: Arc::clone(tenant),
            plugin: Arc::clone(plugin),
            known: RwLock::default(),
        }
    }

    /// Adds to the counter `name`, which is made if the plugin has room for it.
    pub(crate) fn count(&self, name: &str, by: u64) -> Result<(), BadName> {
        if let Some(counter) = self.known.read().counters.get(name) {
            counter.inc_by(by);
            return Ok(());
        }
        if !is_name(name) {
            return Err(BadName);
        }
        let mut known = self.known.write();
        if known.counters.len() < NAMES
            && let Some(counter) = self.meter.counter(name, &self.tenant, &self.plugin)
        {
            counter.inc_by(by);
            known.counters.insert(name.into(), counter);
        } else if !std::mem::replace(&mut known.complained, true) {
            let (tenant, plugin) = (&*self.tenant, &*self.plugin);
            tracing::warn!(
                tenant,
                plugin,
                name,
                "a counter is dropped: its name is taken, or there are {NAMES} already"
            );
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    fn counters(registry: &Registry) -> Counters {
        Counters::new(&Meter::new(registry).unwrap(), &"acme".into(), &"p".into())
    }

    fn shown(registry: &Registry, name: &str) -> Option<String> {
        let family = registry.gather().into_iter().find(|family| family.name() == name)?;
        Some(family.get_metric()[0].get_counter().get_value().to_string())
    }

    #[test]
    fn counts_appear_in_the_registry() {
        let registry = Registry::new();
        let counters = counters(&registry);
        counters.count("links", 2).unwrap();
        counters.count("links", 3).unwrap();
        assert_eq!(shown(&registry, "sluicegate_plugin_links_total"), Some("5".into()));
    }

    #[test]
    fn names_are_checked_and_bounded() {
        let registry = Registry::new();
        let counters = counters(&registry);
        for bad in ["", "1a", "A", "a-b", "a b", &"a".repeat(65)] {
            assert_eq!(counters.count(bad, 1), Err(BadName), "{bad}");
        }
        for n in 0..NAMES + 5 {
            counters.count(&format!("c{n}"), 1).unwrap();
        }
        assert_eq!(counters.known.read().counters.len(), NAMES);
        assert_eq!(shown(&registry, "sluicegate_plugin_c36_total"), None);
    }

    #[test]
    fn nobody_uses_up_anothers_names_and_no_reload_gives_new_ones() {
        let registry = Registry::new();
        let meter = Meter::new(&registry).unwrap();
        let counters = |tenant: &str, plugin: &str| Counters::new(&meter, &tenant.into(), &plugin.into());
        for plugin in 0..64 {
            let attacker = counters("attacker", &format!("p{plugin}"));
            for n in 0..NAMES {
                attacker.count(&format!("c_{plugin}_{n}"), 1).unwrap();
            }
        }
        counters("victim", "p").count("links", 1).unwrap();
        assert_eq!(shown(&registry, "sluicegate_plugin_links_total"), Some("1".into()));
        let reloaded = counters("attacker", "p0");
        reloaded.count("one_more", 1).unwrap();
        assert_eq!(shown(&registry, "sluicegate_plugin_one_more_total"), None);
        reloaded.count("c_0_1", 1).unwrap();
        assert_eq!(shown(&registry, "sluicegate_plugin_c_0_1_total"), Some("2".into()));
    }

    #[test]
    fn a_name_of_the_brokers_own_is_dropped() {
        let registry = Registry::new();
        let counters = counters(&registry);
        counters.count("faults", 1).unwrap();
        assert!(counters.known.read().counters.is_empty());
    }
}
