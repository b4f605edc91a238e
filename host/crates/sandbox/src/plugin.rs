//! A plugin: a component that was checked and compiled, ready to be bound to tenants.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regular_file::ReadError;
use sha2::{Digest, Sha256};
use wasmtime::Store;
use wasmtime::component::{Component, Instance, InstancePre};

use super::cache::CacheEntry;
use super::capabilities::Grants;
use super::contract::v0_1::Exports;
use super::engine::PluginEngine;
use super::error::LoadError;
use super::imports::Imported;
use super::limits::{MEMORIES, TABLES};
use super::room::Needs;
use super::settings::CheckedSettings;
use super::state::StoreData;
use super::{exports, features, imports, inspect, wasi};
use chain::Hooks;

const MIB: u64 = 1_048_576;

/// A compiled component and what it has and wants.
pub struct Plugin {
    name: Arc<str>,
    engine: Arc<PluginEngine>,
    pre: InstancePre<StoreData>,
    exports: Exports,
    hooks: Hooks,
    imported: Imported,
    needs: Needs,
    schema: Option<String>,
    checked: CheckedSettings,
    /// Bytes of the last instance of it when it was made.
    usual_bytes: AtomicUsize,
    /// Keeps its place in the cache of compiled plugins.
    _cached: Option<Arc<CacheEntry>>,
}

// === impl Plugin ===

impl Plugin {
    /// Reads a plugin from a file; with `sha256`, only from these bytes.
    pub(super) fn load_file(
        engine: &Arc<PluginEngine>,
        name: &str,
        path: &Path,
        sha256: Option<[u8; 32]>,
    ) -> Result<Arc<Self>, LoadError> {
        let limit = engine.compiler.limits().component_bytes;
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
        Self::load(engine, name, &bytes)
    }

    /// Checks and compiles a component (binary, or in the text format). `name` is the plugin's in the config.
    pub(super) fn load(engine: &Arc<PluginEngine>, name: &str, bytes: &[u8]) -> Result<Arc<Self>, LoadError> {
        let bytes = if inspect::is_text(bytes) {
            Cow::Owned(engine.compiler.binary(&engine.engine, bytes)?)
        } else {
            Cow::Borrowed(bytes)
        };
        let inspected = inspect::inspect(&bytes)?;
        let cached = engine.cache.as_ref().map(|cache| cache.entry(&bytes));
        let component = compile(engine, &bytes, cached.as_ref())?;
        let imported = imports::check(&engine.engine, &component)?;
        let hooks = exports::check(&engine.engine, &component)?;
        let wrong_type = |error: wasmtime::Error| LoadError::WrongType(format!("{error:#}"));
        let mut linker = engine.contract.clone();
        wasi::add_to_linker(&mut linker, &component).map_err(wrong_type)?;
        let pre = linker.instantiate_pre(&component).map_err(wrong_type)?;
        let exports = Exports::find(&pre, hooks).map_err(wrong_type)?;
        Ok(Arc::new(Self {
            name: name.into(),
            engine: Arc::clone(engine),
            needs: needs(&component),
            pre,
            exports,
            hooks,
            imported,
            schema: inspected.schema.map(|schema| schema.to_string()),
            checked: CheckedSettings::default(),
            usual_bytes: AtomicUsize::new(0),
            _cached: cached,
        }))
    }

    /// Its name in the config.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The hooks it exports.
    pub fn hooks(&self) -> Hooks {
        self.hooks
    }

    /// The capabilities it imports, which must be granted.
    pub fn imported(&self) -> Grants {
        self.imported.grants
    }

    /// Whether its publish hook is given the data of binary channels as bytes.
    pub(super) fn takes_bytes(&self) -> bool {
        self.imported.content
    }

    /// The JSON Schema of its settings, if it carries one.
    pub fn settings_schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// What an instance of it takes of what ends first.
    pub(super) fn needs(&self) -> Needs {
        self.needs
    }

    /// An instance of it was made, and has so many bytes.
    pub(super) fn note_bytes(&self, bytes: usize) {
        self.usual_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that the next instance will have, as far as that is known.
    pub(super) fn usual_bytes(&self) -> usize {
        self.usual_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn checked_settings(&self) -> &CheckedSettings {
        &self.checked
    }

    pub(super) fn engine(&self) -> &PluginEngine {
        &self.engine
    }

    pub(super) fn exports(&self) -> &Exports {
        &self.exports
    }

    pub(super) fn instantiate(&self, store: &mut Store<StoreData>) -> wasmtime::Result<Instance> {
        self.pre.instantiate(store)
    }
}

/// What an instance needs; where the component does not tell, the most that it may have.
fn needs(component: &Component) -> Needs {
    let count = |number: u32| number as usize;
    component.resources_required().map_or(
        Needs {
            memories: count(MEMORIES),
            tables: count(TABLES),
        },
        |required| Needs {
            memories: count(required.num_memories),
            tables: count(required.num_tables),
        },
    )
}

fn compile(engine: &PluginEngine, bytes: &[u8], cached: Option<&Arc<CacheEntry>>) -> Result<Component, LoadError> {
    let cached = engine.cache.as_ref().zip(cached);
    if let Some(component) = cached.and_then(|(cache, entry)| cache.get(&engine.engine, entry)) {
        return Ok(component);
    }
    let component = engine
        .compiler
        .component(&engine.engine, bytes)
        .map_err(|error| match error {
            LoadError::Invalid(_) => features::refusal(bytes).unwrap_or(error),
            other => other,
        })?;
    if let Some((cache, entry)) = cached {
        cache.put(entry, &component);
    }
    Ok(component)
}
