//! `[[tenants.chain]]`: which plugins are asked, in order, and how far they are trusted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chain::{FaultRules, HookKind, Hooks, OnFault};

use super::plugins::PluginFile;
use super::problem::Place;
use super::section::{Number, Section, Value};
use super::settings::to_json;

const DEADLINE: Number = Number {
    min: 1,
    max: 10_000,
    default: 5,
    unit: "milliseconds",
};
/// The maximum is what a 32-bit memory can be.
const MEMORY: Number = Number {
    min: 1,
    max: 4_096,
    default: 16,
    unit: "MiB",
};
const MIB: usize = 1_048_576;

/// One plugin of a tenant's chain.
#[derive(Clone)]
pub struct ChainEntry {
    /// Which of the config's plugins.
    pub plugin: Arc<str>,
    /// The hooks to ask; without a list, all that the plugin exports.
    pub hooks: Option<Hooks>,
    /// What its faults mean.
    pub on_fault: FaultRules,
    pub deadline: Duration,
    /// Of one instance, over all its memories.
    pub memory_bytes: usize,
    /// The capabilities it may use.
    pub grants: Vec<Capability>,
    /// The plugin's own settings, always an object.
    pub settings: serde_json::Value,
    /// Where it stands, for problems that show when the plugin is loaded.
    pub place: Place,
}

impl fmt::Debug for ChainEntry {
    /// Without the settings: they hold signing keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainEntry")
            .field("plugin", &self.plugin)
            .field("hooks", &self.hooks)
            .field("on_fault", &self.on_fault)
            .field("deadline", &self.deadline)
            .field("memory_bytes", &self.memory_bytes)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

/// What a plugin may use only when it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    Kv,
    Limiter,
    Metrics,
}

impl Capability {
    pub const ALL: [Self; 3] = [Self::Kv, Self::Limiter, Self::Metrics];

    /// Its name in the config and its interface in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::Limiter => "limiter",
            Self::Metrics => "metrics",
        }
    }
}

pub(super) fn read(items: &[Value<'_>], plugins: &[PluginFile]) -> Vec<ChainEntry> {
    items.iter().filter_map(|item| entry(item.section(), plugins)).collect()
}

fn entry(mut section: Section<'_>, plugins: &[PluginFile]) -> Option<ChainEntry> {
    let plugin = section.need("plugin");
    let hooks = section.value("hooks").and_then(|value| hooks(&value));
    let on_fault = section.value("on_fault").map(|value| on_fault(&value));
    let deadline = section.millis("deadline_ms", &DEADLINE);
    let memory = section.count("memory_mib", &MEMORY);
    let grants = grants(&section.list("grants"));
    let settings = section.value("config").map(|value| settings(&value));
    let place = section.place.clone();
    section.finish();
    Some(ChainEntry {
        plugin: plugin?.name_of("plugin", plugins.iter().map(|plugin| &plugin.name))?,
        hooks,
        on_fault: on_fault.unwrap_or_default(),
        deadline,
        memory_bytes: memory * MIB,
        grants,
        settings: settings.unwrap_or_else(|| serde_json::json!({})),
        place,
    })
}

fn hooks(value: &Value<'_>) -> Option<Hooks> {
    let words = HookKind::ALL.map(|hook| (hook.name(), hook));
    let items = value.list()?;
    if items.is_empty() {
        value.problem("names no hook", "leave the key out for all that the plugin exports");
    }
    Some(items.iter().filter_map(|item| item.word(&words)).collect())
}

/// A word for all hooks, or a table of words per hook, where an absent hook means deny.
fn on_fault(value: &Value<'_>) -> FaultRules {
    if !value.raw.is_table() {
        let all = on_fault_word(value).unwrap_or_default();
        return FaultRules {
            connect: all,
            subscribe: all,
            publish: all,
        };
    }
    let mut section = value.section();
    let mut of = |hook: HookKind| {
        let word = section.value(hook.name());
        word.and_then(|word| on_fault_word(&word)).unwrap_or_default()
    };
    let rules = FaultRules {
        connect: of(HookKind::Connect),
        subscribe: of(HookKind::Subscribe),
        publish: of(HookKind::Publish),
    };
    section.finish();
    rules
}

fn on_fault_word(value: &Value<'_>) -> Option<OnFault> {
    value.word(&[
        ("deny", OnFault::Deny),
        ("allow", OnFault::Allow),
        ("cached", OnFault::Cached),
    ])
}

fn grants(items: &[Value<'_>]) -> Vec<Capability> {
    let words = Capability::ALL.map(|capability| (capability.name(), capability));
    let mut grants = Vec::new();
    for item in items {
        if let Some(capability) = item.word(&words)
            && !grants.contains(&capability)
        {
            grants.push(capability);
        }
    }
    grants
}

fn settings(value: &Value<'_>) -> serde_json::Value {
    // Only for the problem that it reports of what is no table.
    value.section();
    to_json(value)
}
