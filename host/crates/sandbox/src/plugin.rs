//! A plugin: a component that was checked and compiled, ready to be bound to tenants.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use regular_file::ReadError;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Instance, InstancePre};
use wasmtime::{Engine, Store};

use super::binding::{self, Binding, BindingOptions};
use super::cache::CacheEntry;
use super::capabilities::Grants;
use super::contract::v0_1::Exports;
use super::engine::Sandbox;
use super::error::LoadError;
use super::meter::Meter;
use super::state::StoreData;
use super::{exports, features, imports, inspect, wasi};
use chain::Hooks;
use plugin_store::PluginStores;

const MIB: u64 = 1_048_576;

/// A compiled component and what it has and wants.
pub struct Plugin {
    name: Arc<str>,
    sandbox: Arc<Sandbox>,
    pre: InstancePre<StoreData>,
    exports: Exports,
    hooks: Hooks,
    needs: Grants,
    schema: Option<Value>,
    /// Keeps its place in the cache of compiled plugins.
    _cached: Option<Arc<CacheEntry>>,
}

// === impl Sandbox ===

impl Sandbox {
    /// Reads a plugin from a file; with `sha256`, only from these bytes.
    pub fn load_file(
        self: &Arc<Self>,
        name: &str,
        path: &Path,
        sha256: Option<[u8; 32]>,
    ) -> Result<Arc<Plugin>, LoadError> {
        let limit = self.compiler.limits().component_bytes;
        let bytes = regular_file::read(path, limit).map_err(|cause| match cause {
            ReadError::TooLarge(_) => LoadError::TooLarge {
                path: path.into(),
                mib: limit / MIB,
            },
            cause => LoadError::Unreadable {
                path: path.into(),
                cause,
            },
        })?;
        let found: [u8; 32] = Sha256::digest(&bytes).into();
        if sha256.is_some_and(|wanted| wanted != found) {
            return Err(LoadError::WrongDigest {
                path: path.into(),
                found: sluicegate_contract::hex::encode(&found),
            });
        }
        self.load(name, &bytes)
    }

    /// Checks and compiles a component (binary, or in the text format). `name` is the plugin's in the config.
    /// Takes up to seconds for a component with an interpreter inside, unless the cache has it.
    pub fn load(self: &Arc<Self>, name: &str, bytes: &[u8]) -> Result<Arc<Plugin>, LoadError> {
        let bytes = if inspect::is_text(bytes) {
            Cow::Owned(self.compiler.binary(&self.engine, bytes)?)
        } else {
            Cow::Borrowed(bytes)
        };
        let inspected = inspect::inspect(&bytes)?;
        let cached = self.cache.as_ref().map(|cache| cache.entry(&bytes));
        let component = self.compile(&bytes, cached.as_ref())?;
        let needs = imports::check(&self.engine, &component)?;
        let hooks = exports::check(&self.engine, &component)?;
        let wrong_type = |error: wasmtime::Error| LoadError::WrongType(format!("{error:#}"));
        let mut linker = self.contract.clone();
        wasi::add_to_linker(&mut linker, &component).map_err(wrong_type)?;
        let pre = linker.instantiate_pre(&component).map_err(wrong_type)?;
        let exports = Exports::find(&pre, hooks).map_err(wrong_type)?;
        Ok(Arc::new(Plugin {
            name: name.into(),
            sandbox: Arc::clone(self),
            pre,
            exports,
            hooks,
            needs,
            schema: inspected.schema,
            _cached: cached,
        }))
    }

    /// A start or a reload has loaded what it loads: the cache of compiled plugins makes room for what is new.
    pub fn settle_cache(&self) {
        if let Some(cache) = &self.cache {
            cache.settle();
        }
    }

    fn compile(&self, bytes: &[u8], cached: Option<&Arc<CacheEntry>>) -> Result<Component, LoadError> {
        let cached = self.cache.as_ref().zip(cached);
        if let Some(component) = cached.and_then(|(cache, entry)| cache.get(&self.engine, entry)) {
            return Ok(component);
        }
        let component = self
            .compiler
            .component(&self.engine, bytes)
            .map_err(|error| match error {
                LoadError::Invalid(_) => features::refusal(bytes).unwrap_or(error),
                other => other,
            })?;
        if let Some((cache, entry)) = cached {
            cache.put(entry, &component);
        }
        Ok(component)
    }
}

// === impl Plugin ===

impl Plugin {
    /// Its name in the config.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The hooks it exports.
    pub fn hooks(&self) -> Hooks {
        self.hooks
    }

    /// The capabilities it imports, which must be granted.
    pub fn needs(&self) -> Grants {
        self.needs
    }

    /// The JSON Schema of its settings, if it carries one.
    pub fn settings_schema(&self) -> Option<&Value> {
        self.schema.as_ref()
    }

    /// Puts the plugin in a tenant's chain: checks what the tenant asks of it and makes one instance on trial,
    /// which may take up to 2 s.
    pub fn bind(
        self: &Arc<Self>,
        options: BindingOptions,
        stores: &Arc<PluginStores>,
        meter: &Arc<Meter>,
    ) -> Result<Arc<Binding>, LoadError> {
        binding::bind(self, options, stores, meter)
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.sandbox.engine
    }

    pub(super) fn exports(&self) -> &Exports {
        &self.exports
    }

    pub(super) fn instantiate(&self, store: &mut Store<StoreData>) -> wasmtime::Result<Instance> {
        self.pre.instantiate(store)
    }
}
