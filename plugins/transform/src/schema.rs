//! Checks messages against a JSON Schema. The only place that names the schema crate, and the only one that
//! builds a tree of a message.

use jsonschema::Validator;
use serde_json::Value;

/// A compiled schema.
pub struct Schema(Validator);

impl Schema {
    /// Compiles a schema: draft 2020-12 unless its `$schema` says another.
    ///
    /// # Errors
    /// What is wrong with it; a reference to another document is, because nothing is fetched.
    pub fn check(schema: &Value) -> Result<Self, String> {
        jsonschema::validator_for(schema).map(Self).map_err(|e| e.to_string())
    }

    /// Checks a message.
    ///
    /// # Errors
    /// The first violation, its place and what was expected there. The message's own values are left out:
    /// this goes to a log.
    pub fn validate(&self, json: &str) -> Result<(), String> {
        // serde_json stops at 128 levels, which keeps the validator's recursion small.
        let value: Value = serde_json::from_str(json).map_err(|e| format!("the message cannot be checked: {e}"))?;
        self.0.validate(&value).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() {
                "the message"
            } else {
                place.as_str()
            };
            format!("{place}: {}", error.masked())
        })
    }
}
