//! A plugin in one tenant's chain: what the slots of all shards share. One that nobody has asked yet is little more than
//! its settings; the rest comes with its first slot that is asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;

use super::breaker::Breaker;
use super::capabilities::{Grants, PluginScope};
use super::error::LoadError;
use super::good_answers::AllGoodAnswers;
use super::imports;
use super::meter::{Meter, Meters};
use super::plugin::Plugin;
use super::usage::{MemoryUsage, TenantMemory};
use chain::{HookKind, Hooks};
use plugin_store::{Clock, PluginStores};

/// A chain entry of the config.
#[derive(Clone)]
pub struct BindingOptions {
    pub tenant: Arc<str>,
    /// The hooks to ask; without a list, all that the plugin exports.
    pub hooks: Option<Hooks>,
    /// Of one call. A call may go on for up to 3 ms after it, see [`Slot`](crate::Slot).
    pub deadline: Duration,
    /// Of one instance, over all its memories and tables.
    pub memory_bytes: usize,
    /// The capabilities it may use.
    pub grants: Grants,
    /// Its instances are made at the start, and stay however long nobody asks for them.
    pub eager: bool,
    /// The plugin's own settings: an object, or null for none.
    pub settings: Value,
    /// Told when an `init` of the tenant's fails at its first use.
    pub first_use: Arc<FirstUse>,
}

/// Whether all plugins of a tenant, as they were bound together, could be used when they were first asked.
#[derive(Debug, Default)]
pub struct FirstUse {
    failed: AtomicBool,
}

/// A plugin in a tenant's chain.
pub struct Binding {
    plugin: Arc<Plugin>,
    tenant: Arc<str>,
    hooks: Hooks,
    deadline: Duration,
    memory_bytes: usize,
    grants: Grants,
    eager: bool,
    settings: Arc<str>,
    first_use: Arc<FirstUse>,
    stores: Arc<PluginStores>,
    meter: Arc<Meter>,
    usage: Arc<MemoryUsage>,
    active: OnceLock<Box<ActiveBinding>>,
    /// A slot has had an instance.
    has_served: AtomicBool,
    /// Its last instance took long to make, see [`pool`](super::pool).
    slow: Arc<AtomicBool>,
}

/// What a binding has once it is asked.
struct ActiveBinding {
    scope: Arc<PluginScope>,
    breakers: [Breaker; HookKind::ALL.len()],
    good_answers: AllGoodAnswers,
    meters: Meters,
}

fn hooks(exported: Hooks, asked: Option<Hooks>) -> Result<Hooks, LoadError> {
    let Some(asked) = asked else {
        return Ok(exported);
    };
    match asked.iter().find(|hook| !exported.has(*hook)) {
        Some(hook) => Err(LoadError::LacksHook {
            hook: hook.name(),
            exported,
        }),
        None => Ok(asked),
    }
}

fn check_memory(asked: usize, most: usize) -> Result<(), LoadError> {
    const MIB: usize = 1024 * 1024;
    if asked > most {
        return Err(LoadError::OverPool {
            asked: asked / MIB,
            most: most / MIB,
        });
    }
    Ok(())
}

// === impl FirstUse ===

impl FirstUse {
    /// Whether one failed. Nobody is served by the others then.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

// === impl Binding ===

impl Binding {
    /// Puts `plugin` in a tenant's chain: checks what the tenant asks of it. Nothing of it runs.
    pub(super) fn new(
        plugin: &Arc<Plugin>,
        options: BindingOptions,
        stores: &Arc<PluginStores>,
        meter: &Arc<Meter>,
        usage: &Arc<MemoryUsage>,
    ) -> Result<Arc<Self>, LoadError> {
        let hooks = hooks(plugin.hooks(), options.hooks)?;
        imports::check_granted(plugin.imported(), options.grants)?;
        let engine = plugin.engine();
        check_memory(options.memory_bytes, engine.max_memory_bytes)?;
        let settings = match options.settings {
            Value::Null => "{}".to_owned(),
            settings => settings.to_string(),
        };
        let schema = plugin.settings_schema();
        let settings = plugin
            .checked_settings()
            .check(&engine.compiler, &engine.engine, schema, settings)?;
        Ok(Arc::new(Self {
            plugin: Arc::clone(plugin),
            tenant: options.tenant,
            hooks,
            deadline: options.deadline,
            memory_bytes: options.memory_bytes,
            grants: options.grants,
            eager: options.eager,
            settings,
            first_use: options.first_use,
            stores: Arc::clone(stores),
            meter: Arc::clone(meter),
            usage: Arc::clone(usage),
            active: OnceLock::new(),
            has_served: AtomicBool::new(false),
            slow: Arc::default(),
        }))
    }

    /// The hooks to ask.
    pub fn hooks(&self) -> Hooks {
        self.hooks
    }

    /// The plugin's name in the config.
    pub fn name(&self) -> &Arc<str> {
        self.plugin.name()
    }

    /// Shared by the bindings of its tenant.
    pub fn first_use(&self) -> &Arc<FirstUse> {
        &self.first_use
    }

    /// Whether its instances are to be there before they are asked for.
    pub fn is_eager(&self) -> bool {
        self.eager
    }

    pub(super) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    pub(super) fn tenant(&self) -> &Arc<str> {
        &self.tenant
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    pub(super) fn settings(&self) -> &str {
        &self.settings
    }

    /// What an instance may reach that nobody will call.
    pub(super) fn trial_scope(&self) -> Arc<PluginScope> {
        Arc::new(PluginScope::new(
            &self.stores,
            &self.tenant,
            self.name(),
            self.grants,
            &self.meter,
        ))
    }

    pub(super) fn scope(&self) -> &Arc<PluginScope> {
        &self.active().scope
    }

    pub(super) fn breaker(&self, hook: HookKind) -> &Breaker {
        &self.active().breakers[hook as usize]
    }

    pub(super) fn good_answers(&self) -> &AllGoodAnswers {
        &self.active().good_answers
    }

    pub(super) fn meters(&self) -> &Meters {
        &self.active().meters
    }

    pub(super) fn usage(&self) -> &Arc<MemoryUsage> {
        &self.usage
    }

    /// The memory of all instances of its tenant.
    pub(super) fn tenant_memory(&self) -> Arc<TenantMemory> {
        self.usage.tenant(&self.tenant)
    }

    pub(super) fn slow(&self) -> &Arc<AtomicBool> {
        &self.slow
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.plugin.engine().clock
    }

    /// A slot has got an instance.
    pub(super) fn served(&self) {
        self.has_served.store(true, Ordering::Relaxed);
    }

    /// Its guest could not be made for a slot. True once: at its first use.
    pub(super) fn fails_at_first_use(&self) -> bool {
        !self.has_served.load(Ordering::Relaxed) && !self.first_use.failed.swap(true, Ordering::Relaxed)
    }

    fn active(&self) -> &ActiveBinding {
        self.active.get_or_init(|| {
            Box::new(ActiveBinding {
                scope: self.trial_scope(),
                breakers: Default::default(),
                good_answers: AllGoodAnswers::default(),
                meters: Meters::new(&self.meter, &self.tenant, self.name(), self.hooks),
            })
        })
    }
}
