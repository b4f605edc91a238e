//! Which strings of a tenant's TOML are secrets, and the TOML without them. What only may be one is taken for one.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::DeValue;

use super::mask::MASK;
use super::problem::{Place, Problems};
use super::schema::{SchemasThere, SettingsSchema};
use super::section::{Section, Value};
use super::source::Source;

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

/// Finds a plugin's settings schema (JSON Schema), if it has one, by the plugin's name.
pub type SettingsSchemaOf<'s> = dyn Fn(&str) -> Option<&'s Json> + 's;

/// A tenant's TOML, the content of one `[[tenants]]` table, for others to see: without comments, and with `"***"` for what
/// is or may be a secret. Those are of plugins' settings what the plugin's schema marks `writeOnly`, what stands under a key
/// that looks like one, and URLs with a password.
///
/// # Errors
/// The text is no TOML.
pub fn masked(text: &str, schema_of: &SettingsSchemaOf<'_>) -> Result<String, Problems> {
    let source = Source::pushed(std::path::Path::new(""), text);
    let Some(document) = source.document(text) else {
        return Err(source.into_told().problems.into());
    };
    let mut secrets = Vec::new();
    find(Section::root(&source, document.get_ref()), schema_of, &mut |path, _| {
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
        let schema = SettingsSchema::new(schema);
        let mut search = Search { schema, path, tell };
        search.value(&settings, &schema.whole(), false);
    }
}

struct Search<'s, 't> {
    schema: SettingsSchema<'s>,
    path: Vec<KeyStep>,
    tell: &'t mut dyn FnMut(&[KeyStep], &Value<'_>),
}

// === impl Search ===

impl<'s> Search<'s, '_> {
    /// `under_secret`: the strings in here are secrets, by the key above.
    fn value(&mut self, value: &Value<'_>, there: &SchemasThere<'s>, under_secret: bool) {
        let is_secret = |text: &str| under_secret || has_password(text);
        let is_elsewhere = value.kept_elsewhere().is_some_and(|key| there.asks_for_string(key));
        if there.is_write_only() || is_elsewhere || value.raw.as_str().is_some_and(is_secret) {
            (self.tell)(&self.path, value);
            return;
        }
        if value.raw.is_table() {
            for (key, inner) in value.section().entries() {
                let within = self.schema.property(there, key);
                self.path.push(KeyStep::Key(key.to_owned()));
                self.value(&inner, &within, under_secret || looks_secret(key, inner.raw));
                self.path.pop();
            }
        } else if value.raw.is_array() {
            for (index, inner) in value.children().into_iter().enumerate() {
                let within = self.schema.item(there, index);
                self.path.push(KeyStep::Index(index));
                // A list of keys that are tables has names and algorithms beside its secrets.
                self.value(&inner, &within, under_secret);
                self.path.pop();
            }
        }
    }
}

fn looks_secret(key: &str, value: &DeValue<'_>) -> bool {
    let is_text = |value: &Spanned<DeValue<'_>>| value.get_ref().is_str();
    let holds_text = value.is_str() || value.as_array().is_some_and(|items| items.iter().all(is_text));
    names_secret(key, holds_text)
}

/// Whether what stands under `key` is a secret, which holds strings and nothing else or may hold other things too.
pub(super) fn names_secret(key: &str, holds_text: bool) -> bool {
    let mut key = key.to_ascii_lowercase();
    key.retain(|char| char != '_' && char != '-');
    if key.starts_with("public") {
        return false;
    }
    let is_word = SECRET_WORDS.iter().any(|word| key.contains(word));
    is_word || holds_text && (key.ends_with("key") || SECRET_KEYS.contains(&&*key))
}

/// Whether this is a URL with user and password.
pub(super) fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}
