//! A plugin's settings schema (JSON Schema), as far as it says what may stand where. Checks nothing.

use serde_json::Value as Json;

/// Schemas that are looked at for one value: they may refer to each other.
const SCHEMAS: usize = 256;
/// What only a schema of tables has.
const OF_TABLES: [&str; 4] = ["properties", "patternProperties", "additionalProperties", "required"];

/// A schema, for looking into.
#[derive(Clone, Copy)]
pub(super) struct SettingsSchema<'s> {
    /// The whole of it, for references; none: the plugin has none.
    root: Option<&'s Json>,
}

/// What may stand in one place: all schemas that have a say there.
#[derive(Clone)]
pub(super) struct SchemasThere<'s>(Vec<&'s Json>);

// === impl SettingsSchema ===

impl<'s> SettingsSchema<'s> {
    pub(super) fn new(root: Option<&'s Json>) -> Self {
        Self { root }
    }

    /// Of the settings as a whole.
    pub(super) fn whole(self) -> SchemasThere<'s> {
        self.expand(self.root.into_iter().collect())
    }

    /// Of what stands under `key` in a table.
    pub(super) fn property(self, within: &SchemasThere<'s>, key: &str) -> SchemasThere<'s> {
        self.expand(within.0.iter().flat_map(|schema| of_property(schema, key)).collect())
    }

    /// Of an item of a list.
    pub(super) fn item(self, within: &SchemasThere<'s>, index: usize) -> SchemasThere<'s> {
        self.expand(within.0.iter().flat_map(|schema| of_item(schema, index)).collect())
    }

    /// These schemas and all that they refer to or are made of.
    fn expand(self, mut all: Vec<&'s Json>) -> SchemasThere<'s> {
        let mut next = 0;
        while let Some(schema) = all.get(next).copied() {
            next += 1;
            let target = schema["$ref"]
                .as_str()
                .and_then(|reference| reference.strip_prefix('#'));
            let target = target.and_then(|pointer| self.root?.pointer(pointer));
            let parts = ["allOf", "anyOf", "oneOf"].into_iter();
            let parts = parts.flat_map(|key| schema[key].as_array().into_iter().flatten());
            let branches = ["if", "then", "else"].into_iter().filter_map(|key| schema.get(key));
            for found in target.into_iter().chain(parts).chain(branches) {
                if all.len() < SCHEMAS && !all.iter().any(|known| std::ptr::eq(*known, found)) {
                    all.push(found);
                }
            }
        }
        SchemasThere(all)
    }
}

fn of_property<'s>(schema: &'s Json, key: &str) -> Vec<&'s Json> {
    let own = schema["properties"].get(key);
    // Which of the patterns fits does not matter: better mask too much.
    let patterns = schema["patternProperties"]
        .as_object()
        .into_iter()
        .flat_map(|all| all.values());
    own.into_iter()
        .chain(patterns)
        .chain(schema.get("additionalProperties"))
        .collect()
}

fn of_item(schema: &Json, index: usize) -> Vec<&Json> {
    let own = schema["prefixItems"].get(index);
    own.into_iter().chain(schema.get("items")).collect()
}

// === impl SchemasThere ===

impl SchemasThere<'_> {
    /// Whether what stands here is a secret.
    pub(super) fn is_write_only(&self) -> bool {
        self.0.iter().any(|schema| schema["writeOnly"] == Json::Bool(true))
    }

    /// Whether a string is asked for here, and a table with `key` and nothing else cannot be meant.
    pub(super) fn asks_for_string(&self, key: &str) -> bool {
        self.0.iter().any(|schema| takes_string(schema)) && !self.0.iter().any(|schema| takes_table(schema, key))
    }
}

fn takes_string(schema: &Json) -> bool {
    names_type(schema, "string").unwrap_or_else(|| {
        let words = schema["enum"].as_array().into_iter().flatten();
        words.chain(schema.get("const")).any(Json::is_string)
    })
}

fn takes_table(schema: &Json, key: &str) -> bool {
    let is_of_tables = OF_TABLES.into_iter().any(|word| schema.get(word).is_some());
    if !names_type(schema, "object").unwrap_or(is_of_tables) {
        return false;
    }
    let knows_key = schema["properties"].get(key).is_some()
        || schema.get("patternProperties").is_some()
        || schema["additionalProperties"] != Json::Bool(false);
    let mut required = schema["required"].as_array().into_iter().flatten();
    knows_key && required.all(|wanted| wanted == key)
}

/// Whether the schema is for values of this type; none: it does not say.
fn names_type(schema: &Json, name: &str) -> Option<bool> {
    match schema.get("type")? {
        Json::Array(names) => Some(names.iter().any(|one| one == name)),
        one => Some(one == name),
    }
}

#[test]
fn a_string_is_asked_for_where_no_such_table_may_stand() {
    for (schema, asks) in [
        (r#"{ "type": "string" }"#, true),
        (r#"{ "type": ["string", "null"] }"#, true),
        (r#"{ "enum": ["a", "b"] }"#, true),
        (
            r##"{ "$ref": "#/$defs/text", "$defs": { "text": { "type": "string" } } }"##,
            true,
        ),
        (r#"{ "oneOf": [{ "const": "a" }, { "type": "string" }] }"#, true),
        (r#"{ "anyOf": [{ "type": "boolean" }, { "type": "string" }] }"#, true),
        (
            r#"{ "anyOf": [{ "type": "string" }, { "type": "object", "properties": { "document": {} }, "required": ["document"] }] }"#,
            true,
        ),
        (
            r#"{ "anyOf": [{ "type": "string" }, { "properties": { "document": {} }, "additionalProperties": false }] }"#,
            true,
        ),
        (r#"{ "anyOf": [{ "type": "string" }, { "type": "object" }] }"#, false),
        (
            r#"{ "anyOf": [{ "type": "string" }, { "properties": { "file": {} }, "required": ["file"] }] }"#,
            false,
        ),
        (r#"{ "type": "integer" }"#, false),
        (r#"{ "type": "object" }"#, false),
        ("{}", false),
        ("true", false),
    ] {
        let schema: Json = serde_json::from_str(schema).unwrap();
        let whole = SettingsSchema::new(Some(&schema)).whole();
        assert_eq!(whole.asks_for_string("file"), asks, "{schema}");
    }
    assert!(!SettingsSchema::new(None).whole().asks_for_string("file"));
}
