//! What is in force where a key is left out, to be shown.

use std::collections::HashMap;

use super::problem::Place;

/// By the key of its table, what each key that is left out stands for.
#[derive(Default)]
pub(super) struct KeyDefaults(HashMap<String, Vec<(&'static str, toml::Value)>>);

// === impl KeyDefaults ===

impl KeyDefaults {
    pub(super) fn put(&mut self, table: &Place, key: &'static str, value: toml::Value) {
        self.0.entry(table.key().to_owned()).or_default().push((key, value));
    }

    /// Those of a table.
    pub(super) fn of(&self, table: &Place) -> impl Iterator<Item = &(&'static str, toml::Value)> {
        self.0.get(table.key()).into_iter().flatten()
    }
}
