//! For a plugin's `build.rs`: renders the JSON Schema of its settings. Knows nothing of the plugin itself.
//!
//! ```text
//! #[path = "src/settings.rs"]
//! mod settings;
//! fn main() { sluicegate_plugin_build::settings_schema::<settings::Settings>(); }
//! ```
//!
//! The settings file is compiled a second time for the build script, so it holds the types and nothing
//! of the plugin: `serde`, `schemars` and the standard library are all it may use.

use std::{env, fs, path::Path};

use schemars::JsonSchema;
use serde_json::Value;

/// Writes `settings-schema.json` into `OUT_DIR`, where `sluicegate_plugin::settings!` picks it up.
///
/// # Panics
/// Fails the build when a type of `S` with named fields lacks `#[serde(deny_unknown_fields)]`: a setting
/// that the operator misspelt must be an error, not silence. Also when `OUT_DIR` cannot be written.
pub fn settings_schema<S: JsonSchema>() {
    let schema = schemars::schema_for!(S).to_value();
    if let Some(place) = open_object(&schema, "#") {
        panic!("the settings at {place} accept unknown keys: add #[serde(deny_unknown_fields)]");
    }
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for a build script");
    let file = Path::new(&out).join("settings-schema.json");
    fs::write(&file, schema.to_string()).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    println!("cargo::rerun-if-changed=src/settings.rs");
    println!("cargo::rerun-if-changed=build.rs");
}

/// The place of the first object with named properties that would let other names pass.
fn open_object(schema: &Value, place: &str) -> Option<String> {
    match schema {
        Value::Object(map) => {
            let named = map.get("properties").is_some_and(Value::is_object);
            let closed = map.contains_key("additionalProperties") || map.contains_key("unevaluatedProperties");
            if named && !closed {
                return Some(place.to_owned());
            }
            // Defaults, examples and constants are data, not schemas.
            map.iter()
                .filter(|(key, _)| !matches!(key.as_str(), "default" | "examples" | "const" | "enum"))
                .find_map(|(key, inner)| open_object(inner, &format!("{place}/{key}")))
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .find_map(|(index, inner)| open_object(inner, &format!("{place}/{index}"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::open_object;
    use serde_json::json;

    #[test]
    fn an_open_object_is_named_by_its_place() {
        let open = json!({"properties": {"a": {}}});
        let nested = json!({
            "properties": {"a": {"items": open.clone()}}, "additionalProperties": false
        });
        assert_eq!(open_object(&open, "#").as_deref(), Some("#"));
        assert_eq!(open_object(&nested, "#").as_deref(), Some("#/properties/a/items"));
    }

    #[test]
    fn closed_objects_and_maps_pass() {
        let closed = json!({
            "properties": {"words": {"type": "object", "additionalProperties": {"type": "string"}}},
            "additionalProperties": false,
            "default": {"properties": {}}
        });
        assert_eq!(open_object(&closed, "#"), None);
    }
}
