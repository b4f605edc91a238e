//! A plugin in one tenant's chain: what the slots of all shards share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;

use super::breaker::Breaker;
use super::builder::{BuildWatch, PendingInstance, QUICK, Recipe};
use super::capabilities::{Grants, PluginScope};
use super::error::LoadError;
use super::good_answers::AllGoodAnswers;
use super::instance::{Instance, MakeError};
use super::meter::{Meter, Meters};
use super::plugin::Plugin;
use super::slot::Slot;
use super::{imports, settings};
use chain::{HookKind, Hooks};
use plugin_store::{Clock, PluginStores};

/// A chain entry of the config.
#[derive(Clone)]
pub struct BindingOptions {
    pub tenant: Arc<str>,
    /// The hooks to ask; without a list, all that the plugin exports.
    pub hooks: Option<Hooks>,
    /// Of one call. A call may go on for up to 3 ms after it, see [`Slot`].
    pub deadline: Duration,
    /// Of one instance, over all its memories and tables.
    pub memory_bytes: usize,
    /// The capabilities it may use.
    pub grants: Grants,
    /// The plugin's own settings: an object, or null for none.
    pub settings: Value,
}

/// A plugin in a tenant's chain.
pub struct Binding {
    plugin: Arc<Plugin>,
    hooks: Hooks,
    deadline: Duration,
    memory_bytes: usize,
    settings: String,
    scope: Arc<PluginScope>,
    breakers: [Breaker; HookKind::ALL.len()],
    good_answers: AllGoodAnswers,
    meters: Meters,
    /// Its last instance took long to make, see [`builder`](super::builder).
    slow: Arc<AtomicBool>,
    /// The instance that was made on trial, for the first slot.
    spare: Mutex<Option<Box<Instance>>>,
}

pub(super) fn bind(
    plugin: &Arc<Plugin>,
    options: BindingOptions,
    stores: &PluginStores,
    meter: &Arc<Meter>,
) -> Result<Arc<Binding>, LoadError> {
    let hooks = hooks(plugin.hooks(), options.hooks)?;
    imports::check_granted(plugin.needs(), options.grants)?;
    check_memory(options.memory_bytes, plugin.sandbox().max_memory_bytes)?;
    let settings = match options.settings {
        Value::Null => Value::Object(serde_json::Map::new()),
        settings => settings,
    };
    settings::check(plugin.sandbox(), plugin.settings_schema(), &settings)?;
    let scope = PluginScope::new(stores, &options.tenant, plugin.name(), options.grants, meter);
    let binding = Binding {
        hooks,
        deadline: options.deadline,
        memory_bytes: options.memory_bytes,
        settings: settings.to_string(),
        scope: Arc::new(scope),
        breakers: Default::default(),
        good_answers: AllGoodAnswers::default(),
        meters: Meters::new(meter, &options.tenant, plugin.name(), hooks),
        slow: Arc::default(),
        plugin: Arc::clone(plugin),
        spare: Mutex::new(None),
    };
    let start = Instant::now();
    let trial = Instance::make(&binding, &Arc::new(BuildWatch::alone()))?;
    binding.slow.store(start.elapsed() > QUICK, Ordering::Relaxed);
    *binding.spare.lock() = Some(trial);
    Ok(Arc::new(binding))
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

impl From<MakeError> for LoadError {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Types(what) => Self::WrongType(what),
            MakeError::Refused(reason) => Self::InitRefused(reason),
            MakeError::Init(fault) => Self::InitFaulted(fault),
            other => Self::DoesNotStart(other.to_string()),
        }
    }
}

// === impl Binding ===

impl Binding {
    /// The hooks to ask.
    pub fn hooks(&self) -> Hooks {
        self.hooks
    }

    /// The plugin's name in the config.
    pub fn name(&self) -> &Arc<str> {
        self.plugin.name()
    }

    /// A place for one instance: each shard has one.
    pub fn slot(self: &Arc<Self>) -> Slot {
        Slot::new(Arc::clone(self), self.spare.lock().take())
    }

    /// Has an instance made, after `delay`. None: the builders have too much to do.
    pub(super) fn request(self: &Arc<Self>, delay: Duration) -> Option<PendingInstance> {
        // After a reload the binding is gone, and with it whoever waited.
        let binding = Arc::downgrade(self);
        let recipe = Recipe {
            tenant: Arc::clone(&self.scope.tenant),
            slow: Arc::clone(&self.slow),
            make: Box::new(move |watch| Some(Instance::make(&*binding.upgrade()?, watch))),
        };
        self.plugin.sandbox().builders.request(recipe, delay)
    }

    /// Gives back an instance that is whole.
    pub(super) fn discard(&self, instance: Instance) {
        self.plugin.sandbox().builders.discard(instance);
    }

    pub(super) fn plugin(&self) -> &Plugin {
        &self.plugin
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

    pub(super) fn scope(&self) -> &Arc<PluginScope> {
        &self.scope
    }

    pub(super) fn breaker(&self, hook: HookKind) -> &Breaker {
        &self.breakers[hook as usize]
    }

    pub(super) fn good_answers(&self) -> &AllGoodAnswers {
        &self.good_answers
    }

    pub(super) fn meters(&self) -> &Meters {
        &self.meters
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.plugin.sandbox().clock
    }
}
