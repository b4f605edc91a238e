//! What the sandbox counts. Series are resolved when a plugin is bound, and each slot counts on its own
//! until someone looks: a call touches nothing that another shard touches.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::proto::MetricFamily;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use sluicegate_contract::limits::COUNTERS;

use super::fault::FaultKind;
use chain::{ConnectVerdict, HookKind, Hooks, PublishVerdict, SubscribeVerdict};

/// Upper bounds of `sluicegate_hook_seconds`: a small hook takes half a microsecond, a deadline is
/// milliseconds.
const BUCKETS: [f64; 16] = [
    250e-9, 500e-9, 1e-6, 2e-6, 4e-6, 8e-6, 16e-6, 32e-6, 64e-6, 125e-6, 250e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3,
];
/// The sandbox's metric families, one for the whole process.
pub struct Meter {
    registry: Registry,
    hooks: HookFamilies,
    faults: IntCounterVec,
    instances: IntGaugeVec,
    counters: Mutex<PluginCounters>,
}

/// The plugins' own counters. Each plugin in each tenant may have some, and nobody's are counted against another. They
/// stay as long as the process, so that a plugin does not get new ones with each reload.
type CountersByName = HashMap<Box<str>, IntCounter>;

#[derive(Default)]
struct PluginCounters {
    /// By the name that plugins gave.
    families: BTreeMap<String, IntCounterVec>,
    /// By tenant and plugin.
    counters: HashMap<(Box<str>, Box<str>), CountersByName>,
}

/// The families that slots count for on their own. Whoever collects them has the slots hand in first.
#[derive(Clone)]
struct HookFamilies {
    seconds: HistogramVec,
    verdicts: IntCounterVec,
    tallies: Arc<Mutex<Vec<Weak<Mutex<Tally>>>>>,
}

/// The series of one binding.
pub(super) struct Meters {
    families: HookFamilies,
    hooks: [Option<HookSeries>; HookKind::ALL.len()],
    instances: IntGauge,
}

struct HookSeries {
    seconds: Histogram,
    verdicts: [Option<IntCounter>; Label::ALL.len()],
    faults: [IntCounter; FaultKind::ALL.len()],
}

/// What one slot counted since it last handed in. Behind a lock that only the slot takes, and for a
/// moment who collects.
pub(super) struct Tally {
    hooks: [Option<HookTally>; HookKind::ALL.len()],
}

struct HookTally {
    seconds: LocalHistogram,
    verdicts: [Option<LocalIntCounter>; Label::ALL.len()],
}

/// Label `verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Abstain,
    Accept,
    Allow,
    Replace,
    Discard,
    Deny,
    Done,
}

/// A verdict that can be counted.
pub(super) trait Labelled {
    fn label(&self) -> Label;
}

// === impl Meter ===

impl Meter {
    /// Registers the families. Fails if the registry has any of them already.
    pub fn new(registry: &Registry) -> Result<Arc<Self>, prometheus::Error> {
        let labels = ["tenant", "plugin", "hook"];
        let seconds = HistogramVec::new(
            HistogramOpts::new("sluicegate_hook_seconds", "Time a hook took").buckets(BUCKETS.to_vec()),
            &labels,
        )?;
        let verdicts = IntCounterVec::new(
            Opts::new("sluicegate_hook_verdicts_total", "Verdicts of hooks"),
            &["tenant", "plugin", "hook", "verdict"],
        )?;
        let faults = IntCounterVec::new(
            Opts::new(
                "sluicegate_plugin_faults_total",
                "Hook calls without a verdict, by cause",
            ),
            &["tenant", "plugin", "hook", "kind"],
        )?;
        let instances = IntGaugeVec::new(
            Opts::new("sluicegate_plugin_instances", "Plugin instances alive"),
            &["tenant", "plugin"],
        )?;
        let hooks = HookFamilies {
            seconds,
            verdicts,
            tallies: Arc::default(),
        };
        registry.register(Box::new(hooks.clone()))?;
        registry.register(Box::new(faults.clone()))?;
        registry.register(Box::new(instances.clone()))?;
        Ok(Arc::new(Self {
            registry: registry.clone(),
            hooks,
            faults,
            instances,
            counters: Mutex::default(),
        }))
    }

    /// The plugin's own counter `sluicegate_plugin_<name>_total`; none if the name is taken or the plugin has
    /// too many.
    pub(super) fn counter(&self, name: &str, tenant: &str, plugin: &str) -> Option<IntCounter> {
        let PluginCounters { families, counters } = &mut *self.counters.lock();
        let own = counters.entry((tenant.into(), plugin.into())).or_default();
        if let Some(counter) = own.get(name) {
            return Some(counter.clone());
        }
        if own.len() >= COUNTERS {
            return None;
        }
        if !families.contains_key(name) {
            let opts = Opts::new(format!("sluicegate_plugin_{name}_total"), "Counted by plugins");
            let family = IntCounterVec::new(opts, &["tenant", "plugin"]).ok()?;
            self.registry.register(Box::new(family.clone())).ok()?;
            families.insert(name.to_owned(), family);
        }
        let counter = families.get(name)?.with_label_values(&[tenant, plugin]);
        own.insert(name.into(), counter.clone());
        Some(counter)
    }
}

// === impl Meters ===

impl Meters {
    pub(super) fn new(meter: &Meter, tenant: &str, plugin: &str, hooks: Hooks) -> Self {
        let series = |hook: HookKind| {
            let name = hook.name();
            HookSeries {
                seconds: meter.hooks.seconds.with_label_values(&[tenant, plugin, name]),
                verdicts: Label::ALL.map(|label| {
                    let counted = label.is_of(hook);
                    counted.then(|| {
                        meter
                            .hooks
                            .verdicts
                            .with_label_values(&[tenant, plugin, name, label.name()])
                    })
                }),
                faults: FaultKind::ALL.map(|kind| meter.faults.with_label_values(&[tenant, plugin, name, kind.name()])),
            }
        };
        Self {
            families: meter.hooks.clone(),
            hooks: HookKind::ALL.map(|hook| hooks.has(hook).then(|| series(hook))),
            instances: meter.instances.with_label_values(&[tenant, plugin]),
        }
    }

    pub(super) fn instances(&self) -> &IntGauge {
        &self.instances
    }

    pub(super) fn fault(&self, hook: HookKind, kind: FaultKind) {
        if let Some(series) = &self.hooks[hook as usize] {
            series.faults[kind as usize].inc();
        }
    }

    /// What a new slot counts with.
    pub(super) fn tally(&self) -> Arc<Mutex<Tally>> {
        let tally = |series: &HookSeries| HookTally {
            seconds: series.seconds.local(),
            verdicts: series
                .verdicts
                .each_ref()
                .map(|counter| counter.as_ref().map(IntCounter::local)),
        };
        let tally = Arc::new(Mutex::new(Tally {
            hooks: self.hooks.each_ref().map(|series| series.as_ref().map(tally)),
        }));
        let mut tallies = self.families.tallies.lock();
        // Those of dropped slots go when the list would grow: a reload makes a slot for every chain entry.
        if tallies.len() == tallies.capacity() {
            tallies.retain(|tally| tally.strong_count() > 0);
        }
        tallies.push(Arc::downgrade(&tally));
        tally
    }
}

impl Collector for HookFamilies {
    fn desc(&self) -> Vec<&Desc> {
        [self.seconds.desc(), self.verdicts.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for tally in self.tallies.lock().iter().filter_map(Weak::upgrade) {
            tally.lock().hand_in();
        }
        [self.seconds.collect(), self.verdicts.collect()].concat()
    }
}

// === impl Tally ===

impl Tally {
    pub(super) fn verdict(&mut self, hook: HookKind, label: Label, took: Duration) {
        let Some(tally) = &mut self.hooks[hook as usize] else {
            return;
        };
        tally.seconds.observe(took.as_secs_f64());
        if let Some(counter) = &tally.verdicts[label as usize] {
            counter.inc();
        }
    }

    /// Adds what was counted to the process's series.
    fn hand_in(&mut self) {
        for tally in self.hooks.iter().flatten() {
            tally.seconds.flush();
            for counter in tally.verdicts.iter().flatten() {
                counter.flush();
            }
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.hand_in();
    }
}

// === impl Label ===

impl Label {
    /// In the order of their numbers.
    const ALL: [Self; 7] = [
        Self::Abstain,
        Self::Accept,
        Self::Allow,
        Self::Replace,
        Self::Discard,
        Self::Deny,
        Self::Done,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Abstain => "abstain",
            Self::Accept => "accept",
            Self::Allow => "allow",
            Self::Replace => "replace",
            Self::Discard => "discard",
            Self::Deny => "deny",
            Self::Done => "done",
        }
    }

    fn is_of(self, hook: HookKind) -> bool {
        match hook {
            HookKind::Connect => matches!(self, Self::Abstain | Self::Accept | Self::Deny),
            HookKind::Subscribe => matches!(self, Self::Abstain | Self::Allow | Self::Deny),
            HookKind::Publish => !matches!(self, Self::Accept | Self::Done),
            HookKind::Disconnect => self == Self::Done,
        }
    }
}

impl Labelled for ConnectVerdict {
    fn label(&self) -> Label {
        match self {
            Self::Abstain => Label::Abstain,
            Self::Accept(_) => Label::Accept,
            Self::Deny(_) => Label::Deny,
        }
    }
}

impl Labelled for SubscribeVerdict {
    fn label(&self) -> Label {
        match self {
            Self::Abstain => Label::Abstain,
            Self::Allow(_) => Label::Allow,
            Self::Deny(_) => Label::Deny,
        }
    }
}

impl Labelled for PublishVerdict {
    fn label(&self) -> Label {
        match self {
            Self::Abstain => Label::Abstain,
            Self::Allow => Label::Allow,
            Self::Replace(_) => Label::Replace,
            Self::Discard => Label::Discard,
            Self::Deny(_) => Label::Deny,
        }
    }
}

impl Labelled for () {
    fn label(&self) -> Label {
        Label::Done
    }
}
