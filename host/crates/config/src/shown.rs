//! A config as TOML that can be read again: what is written, with what is left out, and without secrets.

use std::fmt;
use std::path::Path;

use printable::printable;
use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::defaults::KeyDefaults;
use super::mask::MASK;
use super::problem::Place;
use super::secrets::{has_password, masked};
use super::source::Source;

/// The config's own secrets, beside those of plugins and URLs with a password.
const SECRETS: [&str; 1] = ["backplane.sentinel_password"];
/// Bytes of a path or a reason that is shown.
const COMMENT_BYTES: usize = 4_096;

/// One file, with what is left out there. Strings that stand elsewhere are masked, and plugins' settings are not yet.
#[derive(Clone)]
pub(super) struct Shown(Table);

/// How a plugin's settings are shown.
pub enum SettingsShown<'s> {
    /// By the schema that it has, or has not.
    By(Option<&'s Json>),
    /// Without any string, for this reason: nobody knows which are secrets.
    Masked(String),
}

/// Says how a plugin's settings are shown, by its name.
pub type SettingsOf<'s> = dyn Fn(&str) -> SettingsShown<'s> + 's;

// === impl Shown ===

impl Shown {
    /// None: the source was not read to be shown. Everything was read that is to be in it.
    pub(super) fn of(source: &Source, document: &DeTable<'_>) -> Option<Self> {
        let defaults = source.defaults()?;
        let walk = Walk {
            source,
            defaults: &defaults,
        };
        Some(Self(walk.table(&source.place(0), document)))
    }
}

impl fmt::Debug for Shown {
    /// Without what it shows: plugins' settings are not masked yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

struct Walk<'w> {
    source: &'w Source,
    defaults: &'w KeyDefaults,
}

// === impl Walk ===

impl Walk<'_> {
    fn table(&self, place: &Place, raw: &DeTable<'_>) -> Table {
        let mut table = self.left_out(place);
        for (key, value) in raw {
            let key: &str = key.get_ref();
            table.insert(key.to_owned(), self.value(&place.child(key), value.get_ref()));
        }
        table
    }

    /// What is in force in a table of which nothing is written.
    fn left_out(&self, place: &Place) -> Table {
        let mut table = Table::new();
        for (key, default) in self.defaults.of(place) {
            let value = match default {
                Value::Table(_) => Value::Table(self.left_out(&place.child(key))),
                other => other.clone(),
            };
            table.insert((*key).to_owned(), value);
        }
        table
    }

    fn value(&self, place: &Place, raw: &DeValue<'_>) -> Value {
        match raw {
            DeValue::String(text) if is_secret(place, text) => MASK.into(),
            DeValue::String(text) => text.as_ref().into(),
            DeValue::Boolean(flag) => (*flag).into(),
            DeValue::Datetime(date) => (*date).into(),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => number.into(),
                // More than TOML's integers have to be.
                Err(_) => number.as_str().into(),
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) => number.into(),
                Err(_) => number.as_str().into(),
            },
            DeValue::Array(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| self.value(&place.item(index), item.get_ref()))
                    .collect::<Vec<_>>()
                    .into()
            }
            DeValue::Table(_) if self.source.was_string(raw) => MASK.into(),
            DeValue::Table(table) => self.table(place, table).into(),
        }
    }
}

fn is_secret(place: &Place, text: &str) -> bool {
    SECRETS.contains(&place.key()) || has_password(text)
}

/// The main file, and the tenants that have a file each, as one document.
pub(super) fn print<'f>(
    main: &Shown,
    files: impl Iterator<Item = (&'f Path, &'f Shown)>,
    settings_of: &SettingsOf<'_>,
) -> String {
    let mut main = main.0.clone();
    let mut files = files.peekable();
    let mut text = String::new();
    for name in names(&main) {
        if let SettingsShown::Masked(reason) = settings_of(name) {
            let reason = format!("the strings in the settings of the plugin {name:?} are not shown: {reason}");
            text.push_str(&comment(&reason));
        }
    }
    let tenants = match main.remove("tenants") {
        Some(Value::Array(tenants)) => tenants,
        _ => Vec::new(),
    };
    if files.peek().is_some()
        && let Some(server) = main.get_mut("server").and_then(Value::as_table_mut)
        && let Some(directory) = server.remove("tenants_dir")
    {
        // With the key, a reader would find them twice.
        text.push_str(&comment(&format!(
            "server.tenants_dir is {directory}; its tenants are here"
        )));
    }
    text.push_str(&toml(&main));
    for tenant in tenants {
        text.push('\n');
        text.push_str(&in_list(tenant, settings_of));
    }
    for (path, tenant) in files {
        text.push('\n');
        text.push_str(&comment(&path.to_string_lossy()));
        text.push_str(&in_list(tenant.0.clone().into(), settings_of));
    }
    text
}

/// The plugins' names.
fn names(main: &Table) -> impl Iterator<Item = &str> {
    let plugins = main.get("plugins").and_then(Value::as_table);
    plugins.into_iter().flat_map(Table::keys).map(String::as_str)
}

fn comment(text: &str) -> String {
    format!("# {}\n", printable(text, COMMENT_BYTES))
}

fn in_list(mut tenant: Value, settings_of: &SettingsOf<'_>) -> String {
    for entry in tenant
        .get_mut("chain")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let plugin = entry.get("plugin").and_then(Value::as_str).unwrap_or_default();
        if matches!(settings_of(plugin), SettingsShown::Masked(_))
            && let Some(settings) = entry.get_mut("config")
        {
            mask_strings(settings);
        }
    }
    let schema_of = |plugin: &str| match settings_of(plugin) {
        SettingsShown::By(schema) => schema,
        SettingsShown::Masked(_) => None,
    };
    let text = toml(tenant.as_table().expect("a tenant is a table"));
    let text = masked(&text, &schema_of).expect("what was printed can be read");
    let tenant: Table = toml::from_str(&text).expect("what was printed can be read");
    toml(&Table::from_iter([(
        "tenants".to_owned(),
        Value::Array(vec![tenant.into()]),
    )]))
}

fn mask_strings(value: &mut Value) {
    match value {
        Value::String(text) => MASK.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(mask_strings),
        Value::Table(table) => table.iter_mut().for_each(|(_, inner)| mask_strings(inner)),
        _ => {}
    }
}

fn toml(table: &Table) -> String {
    toml::to_string(table).expect("a table of TOML's values")
}
