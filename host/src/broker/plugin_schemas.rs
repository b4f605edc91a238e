//! What a config's plugins say about their settings, without running any of them.

use config::{Config, Problem, SettingsShown};

use super::loaded::LoadedPlugins;
use super::plugins::Plugins;
use crate::observe::Metrics;

/// The settings schemas of the plugins that a config names.
pub struct PluginSchemas {
    /// None of them, if plugins cannot be loaded here at all, and why.
    loaded: Result<LoadedPlugins, String>,
}

// === impl PluginSchemas ===

impl PluginSchemas {
    /// Loads the plugins.
    pub fn load(config: &Config) -> Self {
        let plugins = Plugins::new(config, &Metrics::new(), Plugins::child_compiler());
        Self {
            loaded: plugins
                .map(|plugins| plugins.load_all(config))
                .map_err(|error| error.to_string()),
        }
    }

    /// How the settings of this plugin are shown.
    pub fn settings_of(&self, plugin: &str) -> SettingsShown<'_> {
        let loaded = match &self.loaded {
            Ok(loaded) => loaded,
            Err(error) => return SettingsShown::Masked(error.clone()),
        };
        match loaded.get(plugin) {
            Some(Ok(_)) => SettingsShown::By(loaded.schema(plugin)),
            Some(Err(problem)) => SettingsShown::Masked(problem.to_string()),
            None => SettingsShown::Masked("the config has no such plugin".to_owned()),
        }
    }

    /// The strings of settings that stand elsewhere and cannot be taken.
    pub fn problems(&self, config: &Config) -> Vec<Problem> {
        let entries = config.tenants.iter().flat_map(|tenant| &tenant.chain);
        let settings = entries.map(|entry| match self.settings_of(&entry.plugin) {
            SettingsShown::By(schema) => entry.settings.for_schema(schema),
            // What its plugin would ask for is not known.
            SettingsShown::Masked(_) => Ok(serde_json::Value::Null),
        });
        settings.filter_map(Result::err).flatten().collect()
    }
}
