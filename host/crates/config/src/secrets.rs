//! Which strings of a tenant's TOML are secrets, and the TOML without them. What only may be one is taken for one.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::DeValue;

use super::problem::{Place, Problems};
use super::section::{Section, Source, Value};

/// What stands in a secret's place.
const MASK: &str = "***";
/// In the keys of secrets, in lower case and without `_` and `-`. Whatever else such a key may mean: better mask too much.
const SECRET_WORDS: [&str; 18] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "privatepem",
    "credential",
    "authorization",
    "bearer",
    "cookie",
    "hmac",
    "salt",
    "dsn",
    "connectionstring",
];
/// Keys that are a secret when their value is a string.
const SECRET_KEYS: [&str; 6] = ["key", "keys", "pass", "pin", "auth", "jwk"];
/// Schemas that are looked at for one value: they may refer to each other.
const SCHEMAS: usize = 256;

/// Finds a plugin's settings schema (JSON Schema), if it has one, by the plugin's name.
pub type SettingsSchemaOf<'s> = dyn Fn(&str) -> Option<&'s Json> + 's;

/// A tenant's TOML, the content of one `[[tenants]]` table, for others to see: without comments, and with `"***"` for what
/// is or may be a secret. Those are of plugins' settings what the plugin's schema marks `writeOnly`, what stands under a key
/// that looks like one, and URLs with a password.
///
/// # Errors
/// The text is no TOML.
pub fn masked(text: &str, schema_of: &SettingsSchemaOf<'_>) -> Result<String, Problems> {
    let source = Source::new(std::path::Path::new(""), text);
    let Some(document) = source.document(text) else {
        return Err(source.into_problems_and_warnings().0.into());
    };
    let mut secrets = Vec::new();
    find(source.root(document.get_ref()), schema_of, &mut |path, _| {
        secrets.push(path.to_vec())
    });
    let unreadable = |error: String| Problems::from(Place::file(std::path::Path::new("")).problem(error));
    let mut table: toml::Table = toml::from_str(text).map_err(|error| unreadable(error.message().to_owned()))?;
    for path in &secrets {
        mask(&mut table, path);
    }
    toml::to_string(&table).map_err(|error| unreadable(error.to_string()))
}

fn mask(table: &mut toml::Table, path: &[KeyStep]) {
    let (Some(KeyStep::Key(first)), rest) = (path.first(), path.get(1..).unwrap_or_default()) else {
        return;
    };
    let mut value = table.get_mut(first);
    for step in rest {
        value = match step {
            KeyStep::Key(key) => value.and_then(|value| value.get_mut(key)),
            KeyStep::Index(index) => value.and_then(|value| value.get_mut(index)),
        };
    }
    if let Some(value) = value {
        *value = MASK.into();
    }
}

/// Reports secrets that are masks: somebody sends back what an answer showed.
pub(super) fn refuse_masks(document: Section<'_>, schema_of: &SettingsSchemaOf<'_>) {
    find(document, schema_of, &mut |_, value| {
        if value.raw.as_str() == Some(MASK) {
            value.problem("is what answers show in a secret's place", "write the secret itself");
        }
    });
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyStep {
    Key(String),
    Index(usize),
}

/// Tells `tell` of each secret in the plugins' settings of a tenant, with its path.
fn find<'s>(mut document: Section<'_>, schema_of: &SettingsSchemaOf<'s>, tell: &mut dyn FnMut(&[KeyStep], &Value<'_>)) {
    let Some(chain) = document.value("chain").filter(|chain| chain.raw.is_array()) else {
        return;
    };
    for (index, entry) in chain.children().into_iter().enumerate() {
        let Some(table) = entry.raw.as_table() else { continue };
        let plugin = table.get("plugin").and_then(|plugin| plugin.get_ref().as_str());
        let schema = plugin.and_then(schema_of);
        let Some((_, settings)) = entry.section().entries().find(|(key, _)| *key == "config") else {
            continue;
        };
        let path = vec![
            KeyStep::Key("chain".into()),
            KeyStep::Index(index),
            KeyStep::Key("config".into()),
        ];
        let mut search = Search {
            root: schema,
            path,
            tell,
        };
        search.value(&settings, &schema.into_iter().collect::<Vec<_>>(), false);
    }
}

struct Search<'s, 't> {
    /// The whole schema, for references.
    root: Option<&'s Json>,
    path: Vec<KeyStep>,
    tell: &'t mut dyn FnMut(&[KeyStep], &Value<'_>),
}

// === impl Search ===

impl<'s> Search<'s, '_> {
    /// `under_secret`: the strings in here are secrets, by the key above.
    fn value(&mut self, value: &Value<'_>, schemas: &[&'s Json], under_secret: bool) {
        let schemas = self.expand(schemas);
        let write_only = schemas.iter().any(|schema| schema["writeOnly"] == Json::Bool(true));
        let is_secret = |text: &str| under_secret || has_password(text);
        if write_only || value.raw.as_str().is_some_and(is_secret) {
            (self.tell)(&self.path, value);
            return;
        }
        if value.raw.is_table() {
            for (key, inner) in value.section().entries() {
                let within = schemas
                    .iter()
                    .flat_map(|schema| of_property(schema, key))
                    .collect::<Vec<_>>();
                self.path.push(KeyStep::Key(key.to_owned()));
                self.value(&inner, &within, under_secret || looks_secret(key, inner.raw));
                self.path.pop();
            }
        } else if value.raw.is_array() {
            for (index, inner) in value.children().into_iter().enumerate() {
                let within = schemas
                    .iter()
                    .flat_map(|schema| of_item(schema, index))
                    .collect::<Vec<_>>();
                self.path.push(KeyStep::Index(index));
                // A list of keys that are tables has names and algorithms beside its secrets.
                self.value(&inner, &within, under_secret);
                self.path.pop();
            }
        }
    }

    /// These schemas and all that they refer to or are made of.
    fn expand(&self, schemas: &[&'s Json]) -> Vec<&'s Json> {
        let mut all: Vec<&'s Json> = schemas.to_vec();
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
        all
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

fn looks_secret(key: &str, value: &DeValue<'_>) -> bool {
    let mut key = key.to_ascii_lowercase();
    key.retain(|char| char != '_' && char != '-');
    if key.starts_with("public") {
        return false;
    }
    let is_word = SECRET_WORDS.iter().any(|word| key.contains(word));
    let is_text = |value: &Spanned<DeValue<'_>>| value.get_ref().is_str();
    let holds_text = value.is_str() || value.as_array().is_some_and(|items| items.iter().all(is_text));
    is_word || holds_text && (key.ends_with("key") || SECRET_KEYS.contains(&&*key))
}

/// Whether this is a URL with user and password.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}
