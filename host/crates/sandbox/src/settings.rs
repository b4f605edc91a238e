//! A plugin's settings against the schema it carries.

use serde_json::Value;

use super::error::{LoadError, SettingError};

/// Violations that are shown at once.
const SHOWN: usize = 10;

/// Checks `settings`; without a schema everything fits.
pub(super) fn check(schema: Option<&Value>, settings: &Value) -> Result<(), LoadError> {
    let Some(schema) = schema else {
        return Ok(());
    };
    let validator = jsonschema::validator_for(schema).map_err(|e| LoadError::BadSchema(e.to_string()))?;
    let errors: Vec<SettingError> = validator
        .iter_errors(settings)
        .take(SHOWN)
        .map(|error| SettingError {
            key: key(error.instance_path().as_str()),
            // Settings hold signing keys; what is wrong is said without them.
            reason: error.masked_with("the value").to_string(),
        })
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(LoadError::Settings { errors })
    }
}

/// A JSON pointer in the words of the config: `/rules/0/when` is `config.rules[0].when`.
fn key(pointer: &str) -> String {
    let mut key = String::from("config");
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|b| b.is_ascii_digit()) {
            key.extend(["[", &part, "]"]);
        } else {
            key.push('.');
            key.push_str(&part);
        }
    }
    key
}
