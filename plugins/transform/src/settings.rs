//! The settings as the operator writes them. Knows their shape, not what makes them work together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Settings of the plugin transform.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What to do with messages, in order; each rule sees what the ones before it made.
    #[serde(default)]
    pub rules: Vec<RuleSettings>,
    /// By how many bytes a message may grow; one that would grow more is denied.
    #[serde(default = "max_growth_bytes")]
    pub max_growth_bytes: u32,
    /// The largest message that is checked against a schema, in bytes; a larger one is denied.
    #[serde(default = "max_schema_bytes")]
    pub max_schema_bytes: u32,
    /// How many values, lists and objects a message that is checked against a schema may hold; one with more is denied.
    #[serde(default = "max_schema_values")]
    pub max_schema_values: u32,
}

/// As much as the default `message_bytes` of the broker.
fn max_growth_bytes() -> u32 {
    65_536
}

/// A message of many short strings takes an estimated fifth of the default `deadline_ms` to read.
fn max_schema_bytes() -> u32 {
    262_144
}

/// With a schema of a few keywords for each of them, an estimated half of the default `deadline_ms`.
fn max_schema_values() -> u32 {
    10_000
}

/// What to do with the messages of some channels: first `schema`, then `remove`, `mask`, `words`, `set`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// A channel pattern.
    pub channels: String,
    /// JSON Schema that a message must fulfil as the rule receives it; one that does not is denied.
    #[schemars(with = "Option<serde_json::Value>")]
    pub schema: Option<serde_json::Value>,
    /// JSON pointers of values to take out.
    #[serde(default)]
    pub remove: Vec<String>,
    /// JSON pointers of values to replace by `"***"`.
    #[serde(default)]
    pub mask: Vec<String>,
    /// Words to replace in every string value, whole and in any case, and what by.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// JSON pointers, and the value to put there.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub set: BTreeMap<String, Box<RawValue>>,
}
