//! The config's plugins as they were last loaded: a file whose bytes are the same is not loaded again, and its plugin stays
//! the one that tenants are bound to.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use config::{PluginFile, Problem};
use sandbox::{Plugin, Sandbox};

/// The plugins by name.
#[derive(Clone, Default)]
pub(super) struct LoadedPlugins(HashMap<Arc<str>, LoadedPlugin>);

#[derive(Clone)]
struct LoadedPlugin {
    /// Of the file; none if it could not be read.
    sha256: Option<[u8; 32]>,
    plugin: Result<Arc<Plugin>, Problem>,
    /// What it says about its settings.
    schema: Option<Arc<Value>>,
}

// === impl LoadedPlugins ===

impl LoadedPlugins {
    /// Loads what is not in `before`; a component's file has `limit` bytes at most.
    pub(super) fn load<'a>(
        files: impl Iterator<Item = &'a PluginFile>,
        limit: u64,
        sandbox: &Arc<Sandbox>,
        before: &Self,
    ) -> Self {
        let load = |file: &PluginFile| (file.name.clone(), LoadedPlugin::load(file, limit, sandbox, before));
        Self(files.map(load).collect())
    }

    /// Takes these in place of those of the same names.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The plugin of this name, or why it could not be loaded; none if the config has none.
    pub(super) fn get(&self, name: &str) -> Option<Result<&Arc<Plugin>, &Problem>> {
        Some(self.0.get(name)?.plugin.as_ref())
    }

    /// The plugin of this name, if it could be loaded.
    pub(super) fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        self.get(name)?.ok().cloned()
    }

    /// What the plugin of this name says about its settings.
    pub(super) fn schema(&self, name: &str) -> Option<&Value> {
        self.0.get(name)?.schema.as_deref()
    }

    /// What is wrong with them.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.0.values().filter_map(|loaded| loaded.plugin.as_ref().err())
    }
}

// === impl LoadedPlugin ===

impl LoadedPlugin {
    fn load(file: &PluginFile, limit: u64, sandbox: &Arc<Sandbox>, before: &LoadedPlugins) -> Self {
        // What cannot be read is told when it is loaded.
        let bytes = regular_file::read(&file.path, limit).ok();
        let sha256: Option<[u8; 32]> = bytes.map(|bytes| Sha256::digest(&bytes).into());
        let before = before.0.get(&file.name);
        if let Some(before) = before
            && before.plugin.is_ok()
            && sha256.is_some()
            && before.sha256 == sha256
            && file.sha256.is_none_or(|wanted| sha256 == Some(wanted))
        {
            return before.clone();
        }
        // The bytes that were looked at, and no others that came in between.
        let wanted = file.sha256.or(sha256);
        let plugin = sandbox.load_file(&file.name, &file.path, wanted).map_err(|error| {
            let reason = format!("plugin {:?} ({}): {error}", &*file.name, file.path.display());
            file.place.problem(reason)
        });
        let schema = plugin.as_ref().ok().and_then(|plugin| plugin.settings_schema());
        // It was checked when it was loaded.
        let schema = schema.and_then(|schema| serde_json::from_str(schema).ok());
        Self {
            sha256,
            plugin,
            schema: schema.map(Arc::new),
        }
    }
}
