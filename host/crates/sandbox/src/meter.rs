//! What the sandbox counts. Series are made when a binding is first used, so a tenant that sleeps has none, and each
//! slot counts on its own until someone looks: a call touches nothing that another shard touches.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{
    Counter, CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

use sluicegate_contract::limits::COUNTERS;

use super::fault::FaultKind;
pub(super) use super::label::{Label, Labelled};
use super::room::Room;
use super::usage::MemoryUsage;
use chain::{HookKind, Hooks};

/// Upper bounds of `sluicegate_hook_seconds`: a small hook takes half a microsecond, a deadline is
/// milliseconds.
const BUCKETS: [f64; 16] = [
    250e-9, 500e-9, 1e-6, 2e-6, 4e-6, 8e-6, 16e-6, 32e-6, 64e-6, 125e-6, 250e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3,
];
const TENANT_SECONDS: &str = "sluicegate_tenant_hook_seconds_total";

/// The sandbox's metric families, one for the whole process.
pub struct Meter {
    registry: Registry,
    hooks: HookFamilies,
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
    faults: IntCounterVec,
    /// Seconds of calls without a verdict.
    fault_seconds: CounterVec,
    instances: IntGaugeVec,
    by_tenant: Arc<Desc>,
    tallies: Arc<Mutex<Vec<Weak<Mutex<Tally>>>>>,
}

/// The series of one binding, made when it is first used.
pub(super) struct Meters {
    families: HookFamilies,
    tenant: Arc<str>,
    plugin: Arc<str>,
    asked: Hooks,
    series: OnceLock<BindingSeries>,
}

struct BindingSeries {
    hooks: [Option<HookSeries>; HookKind::ALL.len()],
    instances: IntGauge,
}

struct HookSeries {
    seconds: Histogram,
    verdicts: [Option<IntCounter>; Label::ALL.len()],
    faults: [IntCounter; FaultKind::ALL.len()],
    fault_seconds: Counter,
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

/// How many instances there are in the process, and their memory, when somebody looks.
#[derive(Clone)]
pub struct SandboxGauges {
    room: Arc<Room>,
    usage: Arc<MemoryUsage>,
    instances: IntGauge,
    bytes: IntGauge,
}

// === impl SandboxGauges ===

impl SandboxGauges {
    pub(super) fn new(room: &Arc<Room>, usage: &Arc<MemoryUsage>) -> Self {
        let gauge = |name, help| IntGauge::new(name, help).expect("the name is valid");
        Self {
            room: Arc::clone(room),
            usage: Arc::clone(usage),
            instances: gauge(
                "sluicegate_sandbox_instances",
                "Plugin instances of all tenants, those in the making included.",
            ),
            bytes: gauge(
                "sluicegate_sandbox_memory_bytes",
                "Memory of all plugin instances together.",
            ),
        }
    }
}

impl Collector for SandboxGauges {
    fn desc(&self) -> Vec<&Desc> {
        [self.instances.desc(), self.bytes.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shown = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.instances.set(shown(self.room.instances()));
        self.bytes.set(shown(self.usage.bytes()));
        [self.instances.collect(), self.bytes.collect()].concat()
    }
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
        let by_tenant = Desc::new(
            TENANT_SECONDS.into(),
            "Time that hooks of a tenant took, those without a verdict included".into(),
            vec!["tenant".into()],
            HashMap::new(),
        )?;
        let hooks = HookFamilies {
            seconds,
            verdicts,
            faults,
            fault_seconds: CounterVec::new(Opts::new("fault_seconds", "Not shown"), &["tenant"])?,
            instances,
            by_tenant: Arc::new(by_tenant),
            tallies: Arc::default(),
        };
        registry.register(Box::new(hooks.clone()))?;
        registry.register(Box::new(hooks.faults.clone()))?;
        registry.register(Box::new(hooks.instances.clone()))?;
        Ok(Arc::new(Self {
            registry: registry.clone(),
            hooks,
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

    /// There is no such tenant any more: nothing is shown of its plugin.
    pub fn forget(&self, tenant: &str, plugin: &str) {
        // What was never counted is not there.
        for hook in HookKind::ALL.map(HookKind::name) {
            drop(self.hooks.seconds.remove_label_values(&[tenant, plugin, hook]));
            for label in Label::ALL.map(Label::name) {
                drop(self.hooks.verdicts.remove_label_values(&[tenant, plugin, hook, label]));
            }
            for kind in FaultKind::ALL.map(FaultKind::name) {
                drop(self.hooks.faults.remove_label_values(&[tenant, plugin, hook, kind]));
            }
        }
        drop(self.hooks.fault_seconds.remove_label_values(&[tenant]));
        drop(self.hooks.instances.remove_label_values(&[tenant, plugin]));
        let PluginCounters { families, counters } = &mut *self.counters.lock();
        let own = counters.remove(&(tenant.into(), plugin.into()));
        for family in own.iter().flatten().filter_map(|(name, _)| families.get(&**name)) {
            drop(family.remove_label_values(&[tenant, plugin]));
        }
    }
}

// === impl Meters ===

impl Meters {
    pub(super) fn new(meter: &Meter, tenant: &Arc<str>, plugin: &Arc<str>, hooks: Hooks) -> Self {
        Self {
            families: meter.hooks.clone(),
            tenant: tenant.clone(),
            plugin: plugin.clone(),
            asked: hooks,
            series: OnceLock::new(),
        }
    }

    fn series(&self) -> &BindingSeries {
        self.series.get_or_init(|| {
            let (families, tenant, plugin) = (&self.families, &*self.tenant, &*self.plugin);
            let series = |hook: HookKind| {
                let name = hook.name();
                let verdict = |label: Label| {
                    families
                        .verdicts
                        .with_label_values(&[tenant, plugin, name, label.name()])
                };
                let fault = |kind: FaultKind| families.faults.with_label_values(&[tenant, plugin, name, kind.name()]);
                HookSeries {
                    seconds: families.seconds.with_label_values(&[tenant, plugin, name]),
                    verdicts: Label::ALL.map(|label| label.is_of(hook).then(|| verdict(label))),
                    faults: FaultKind::ALL.map(fault),
                    fault_seconds: families.fault_seconds.with_label_values(&[tenant]),
                }
            };
            BindingSeries {
                hooks: HookKind::ALL.map(|hook| self.asked.has(hook).then(|| series(hook))),
                instances: families.instances.with_label_values(&[tenant, plugin]),
            }
        })
    }

    pub(super) fn instances(&self) -> &IntGauge {
        &self.series().instances
    }

    /// A call gave no verdict; `took`: if it was timed.
    pub(super) fn fault(&self, hook: HookKind, kind: FaultKind, took: Option<Duration>) {
        if let Some(series) = &self.series().hooks[hook as usize] {
            series.faults[kind as usize].inc();
            if let Some(took) = took {
                series.fault_seconds.inc_by(took.as_secs_f64());
            }
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
            hooks: self.series().hooks.each_ref().map(|series| series.as_ref().map(tally)),
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
        [self.seconds.desc(), self.verdicts.desc(), vec![&*self.by_tenant]].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for tally in self.tallies.lock().iter().filter_map(Weak::upgrade) {
            tally.lock().hand_in();
        }
        let seconds = self.seconds.collect();
        let by_tenant = vec![self.seconds_by_tenant(&seconds)];
        [seconds, self.verdicts.collect(), by_tenant].concat()
    }
}

impl HookFamilies {
    /// The seconds of all hooks of each tenant.
    fn seconds_by_tenant(&self, seconds: &[MetricFamily]) -> MetricFamily {
        let mut sums = BTreeMap::<String, f64>::new();
        let faults = self.fault_seconds.collect();
        for series in seconds.iter().chain(&faults).flat_map(MetricFamily::get_metric) {
            let tenant = series.get_label().iter().find(|label| label.name() == "tenant");
            let sum = series.get_histogram().get_sample_sum() + series.get_counter().get_value();
            *sums
                .entry(tenant.map_or_else(String::new, |label| label.value().to_owned()))
                .or_default() += sum;
        }
        let series = sums.into_iter().map(|(tenant, sum)| {
            let mut label = LabelPair::default();
            label.set_name("tenant".into());
            label.set_value(tenant);
            let mut counter = proto::Counter::default();
            counter.set_value(sum);
            let mut series = Metric::from_label(vec![label]);
            series.set_counter(counter);
            series
        });
        let mut family = MetricFamily::default();
        family.set_name(TENANT_SECONDS.into());
        family.set_help(self.by_tenant.help.clone());
        family.set_field_type(MetricType::COUNTER);
        family.set_metric(series.collect());
        family
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
