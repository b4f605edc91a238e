//! A plugin's settings against the schema it carries. Many tenants have the same settings, and what came of a check is
//! the same each time, so it is remembered while plugins are loaded.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::Engine;

use super::compile::Compiler;
use super::error::{LoadError, SettingError};

/// Texts that are remembered of one plugin …
const TEXTS: usize = 1_024;
/// … in so many bytes each at most.
const TEXT_BYTES: usize = 64 * 1024;

/// Settings of one plugin that were checked, with what was wrong in them; all tenants with the same share a text.
#[derive(Default)]
pub(super) struct CheckedSettings(Mutex<HashMap<Arc<str>, Vec<SettingError>>>);

// === impl CheckedSettings ===

impl CheckedSettings {
    /// Checks `text`, which is JSON; without a schema everything fits. Returns the text to keep.
    pub(super) fn check(
        &self,
        compiler: &Compiler,
        engine: &Engine,
        schema: Option<&str>,
        text: String,
    ) -> Result<Arc<str>, LoadError> {
        let known = self
            .0
            .lock()
            .get_key_value(text.as_str())
            .map(|(text, errors)| (Arc::clone(text), errors.clone()));
        let (text, errors) = if let Some(known) = known {
            known
        } else {
            let errors = match schema {
                Some(schema) => compiler.violations(engine, schema, &text)?,
                None => Vec::new(),
            };
            let text: Arc<str> = text.into();
            self.keep(&text, &errors);
            (text, errors)
        };
        if errors.is_empty() {
            Ok(text)
        } else {
            Err(LoadError::Settings { errors })
        }
    }

    fn keep(&self, text: &Arc<str>, errors: &[SettingError]) {
        if text.len() > TEXT_BYTES {
            return;
        }
        let mut checked = self.0.lock();
        if checked.len() >= TEXTS {
            // Those that no binding has are of no use, and if all are in use there are that many different ones.
            checked.retain(|text, _| Arc::strong_count(text) > 1);
        }
        if checked.len() < TEXTS {
            checked.insert(Arc::clone(text), errors.to_vec());
        }
    }
}
