//! `[[tenants.chain]]`: which plugins are asked, in order, and how far they are trusted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chain::{FaultRules, HookKind, Hooks, OnFault};

use super::capability::{self, Capability};
use super::ceilings::Ceilings;
use super::plugins::PluginFile;
use super::problem::Place;
use super::ranges::{DEADLINE, INSTANCE_MEMORY, MIB};
use super::section::{Section, Value};
use super::settings::Settings;

/// One plugin of a tenant's chain. Equal: whatever shows is the same, wherever it stands in its file.
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
    /// Its instances are made at the start, and stay however long nobody asks for them.
    pub eager: bool,
    /// The plugin's own settings.
    pub settings: Settings,
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
            .field("eager", &self.eager)
            .finish_non_exhaustive()
    }
}

impl ChainEntry {
    /// Whether the same is asked of the same plugin, whatever its faults mean.
    pub fn is_same_but_on_fault(&self, other: &Self) -> bool {
        let Self {
            plugin,
            hooks,
            on_fault: _,
            deadline,
            memory_bytes,
            grants,
            eager,
            settings,
            place: _,
        } = self;
        *plugin == other.plugin
            && *hooks == other.hooks
            && *deadline == other.deadline
            && *memory_bytes == other.memory_bytes
            && *eager == other.eager
            && *grants == other.grants
            && *settings == other.settings
    }
}

impl PartialEq for ChainEntry {
    fn eq(&self, other: &Self) -> bool {
        self.is_same_but_on_fault(other) && self.on_fault == other.on_fault
    }
}

/// Within `ceilings`, where there are some.
pub(super) fn read(items: &[Value<'_>], plugins: &[PluginFile], ceilings: Option<&Ceilings>) -> Vec<ChainEntry> {
    let entries = items.iter().map(|item| entry(item.section(), plugins, ceilings));
    entries.flatten().collect()
}

fn entry(mut section: Section<'_>, plugins: &[PluginFile], ceilings: Option<&Ceilings>) -> Option<ChainEntry> {
    let plugin = section.need("plugin");
    let hooks = section.value("hooks").and_then(|value| hooks(&value));
    section.default("on_fault", "deny");
    section.default("config", toml::Table::new());
    let on_fault = section.value("on_fault").map(|value| on_fault(&value));
    let deadline = DEADLINE.up_to(ceilings.map(Ceilings::deadline_ms));
    let deadline = section.millis("deadline_ms", &deadline);
    let memory = INSTANCE_MEMORY.up_to(ceilings.map(Ceilings::memory_mib));
    let memory = section.count("memory_mib", &memory);
    let grants = grants(&section.list("grants"), ceilings);
    let eager = section.flag("eager", false);
    let settings = section.value("config").map(|value| Settings::read(&value));
    let place = section.place.clone();
    section.finish();
    Some(ChainEntry {
        plugin: plugin?.name_of("plugin", plugins.iter().map(|plugin| &plugin.name))?,
        hooks,
        on_fault: on_fault.unwrap_or_default(),
        deadline,
        memory_bytes: memory * MIB,
        grants,
        eager,
        settings: settings.unwrap_or_default(),
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
    if !value.is_table() {
        let all = on_fault_word(value).unwrap_or_default();
        return FaultRules {
            connect: all,
            subscribe: all,
            publish: all,
        };
    }
    let mut section = value.section();
    let mut of = |hook: HookKind| {
        section.default(hook.name(), "deny");
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

fn grants(items: &[Value<'_>], ceilings: Option<&Ceilings>) -> Vec<Capability> {
    let is_over = |capability: &Capability| ceilings.is_some_and(|ceilings| !ceilings.grants.contains(capability));
    let named = capability::read(items);
    for (capability, item) in named.iter().filter(|(capability, _)| is_over(capability)) {
        item.problem(
            format!("{:?} may not be granted to a pushed tenant", capability.name()),
            "the node's ceilings.grants names what may",
        );
    }
    named.into_iter().map(|(capability, _)| capability).collect()
}
