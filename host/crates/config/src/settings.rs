//! A plugin's own settings: TOML to JSON. Knows nothing of what they mean; which of their strings stand elsewhere is known when
//! the plugin's schema is.

use std::fmt;
use std::sync::Arc;

use serde_json::{Number, Value as Json};
use toml::de::{DeFloat, DeInteger, DeValue};

use super::elsewhere::Elsewhere;
use super::mask::MASK;
use super::problem::Problem;
use super::schema::{SchemasThere, SettingsSchema};
use super::secrets::{has_password, names_secret};
use super::section::Value;

/// Bytes of a string that is masked in messages: what is shorter is in many words.
const MASKED_BYTES: usize = 4;

/// A plugin's own settings, always an object. Equal: the plugin would be given the same.
#[derive(Clone)]
pub struct Settings {
    /// With a table in the place of each string that stands elsewhere.
    written: Json,
    taken: Vec<TakenSetting>,
}

/// A table that may stand for a string.
#[derive(Clone)]
struct TakenSetting {
    /// Where it is: a JSON pointer (RFC 6901).
    pointer: String,
    /// `env` or `file`.
    key: &'static str,
    /// The string, or why there is none.
    outcome: Result<Arc<str>, Problem>,
}

// === impl Settings ===

impl Settings {
    /// Reports what JSON cannot hold.
    pub(super) fn read(value: &Value<'_>) -> Self {
        // Only for the problem that it reports of what is no table.
        value.section();
        let mut taken = Vec::new();
        let written = to_json(value, &mut String::new(), &mut taken);
        Self { written, taken }
    }

    /// As they stand in the file.
    pub fn written(&self) -> &Json {
        &self.written
    }

    /// As the plugin is given them: with the strings that stand elsewhere, where its schema asks for strings.
    ///
    /// # Errors
    /// Each of these strings that could not be taken.
    pub fn for_schema(&self, schema: Option<&Json>) -> Result<Json, Vec<Problem>> {
        let mut settings = self.written.clone();
        let mut problems = Vec::new();
        for taken in self.taken.iter().filter(|taken| self.is_string(taken, schema)) {
            match &taken.outcome {
                Ok(text) => {
                    if let Some(place) = settings.pointer_mut(&taken.pointer) {
                        *place = Json::from(&**text);
                    }
                }
                Err(problem) => problems.push(problem.clone()),
            }
        }
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }

    /// The string at a JSON pointer, wherever it stands; none if there is something else.
    pub fn text(&self, pointer: &str) -> Option<Result<&str, &Problem>> {
        if let Some(taken) = self.taken.iter().find(|taken| taken.pointer == pointer) {
            return Some(taken.outcome.as_deref());
        }
        Some(Ok(self.written.pointer(pointer)?.as_str()?))
    }

    /// `text` without the settings' secrets and the strings that stand elsewhere: a plugin may repeat them.
    pub fn masked_in(&self, text: &str, schema: Option<&Json>) -> String {
        let schema = SettingsSchema::new(schema);
        let mut strings: Vec<&str> = self
            .taken
            .iter()
            .filter_map(|taken| taken.outcome.as_deref().ok())
            .collect();
        secrets(&self.written, schema, &schema.whole(), false, &mut strings);
        strings.retain(|string| string.len() >= MASKED_BYTES);
        // One may be a part of another.
        strings.sort_unstable_by_key(|string| std::cmp::Reverse(string.len()));
        strings.into_iter().fold(text.to_owned(), |text, string| {
            // Also as it stands in the JSON that the plugin was given.
            let json = Json::from(string).to_string();
            let escaped = &json[1..json.len() - 1];
            text.replace(string, MASK).replace(escaped, MASK)
        })
    }

    fn is_string(&self, taken: &TakenSetting, schema: Option<&Json>) -> bool {
        let schema = SettingsSchema::new(schema);
        let mut there = schema.whole();
        let mut value = Some(&self.written);
        for step in taken.pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            match value {
                Some(Json::Array(items)) => {
                    let index = step.parse().unwrap_or(usize::MAX);
                    there = schema.item(&there, index);
                    value = items.get(index);
                }
                other => {
                    there = schema.property(&there, &step);
                    value = other.and_then(|value| value.get(&step));
                }
            }
        }
        there.asks_for_string(taken.key)
    }
}

/// Puts the strings in `value` that are secrets into `found`. `under_secret`: all are, by the key above.
fn secrets<'j>(
    value: &'j Json,
    schema: SettingsSchema<'_>,
    there: &SchemasThere<'_>,
    under_secret: bool,
    found: &mut Vec<&'j str>,
) {
    let is_secret = under_secret || there.is_write_only();
    match value {
        Json::String(text) if is_secret || has_password(text) => found.push(text),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                secrets(item, schema, &schema.item(there, index), is_secret, found);
            }
        }
        Json::Object(entries) => {
            for (key, inner) in entries {
                let holds_text =
                    inner.is_string() || inner.as_array().is_some_and(|items| items.iter().all(Json::is_string));
                let is_secret = is_secret || names_secret(key, holds_text);
                secrets(inner, schema, &schema.property(there, key), is_secret, found);
            }
        }
        _ => {}
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            written: Json::Object(serde_json::Map::new()),
            taken: Vec::new(),
        }
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        let same = |(own, other): (&TakenSetting, &TakenSetting)| match (&own.outcome, &other.outcome) {
            (Ok(own), Ok(other)) => own == other,
            (own, other) => own.is_ok() == other.is_ok(),
        };
        // The same tables stand in the same places.
        self.written == other.written && self.taken.iter().zip(&other.taken).all(same)
    }
}

impl fmt::Debug for Settings {
    /// Without what they are: they hold signing keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

/// `value` as JSON. Dates become strings as they are written; what JSON has no number for is reported.
fn to_json(value: &Value<'_>, pointer: &mut String, taken: &mut Vec<TakenSetting>) -> Json {
    match value.raw {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Boolean(flag) => Json::from(*flag),
        DeValue::Datetime(date) => Json::from(date.to_string()),
        DeValue::Integer(number) => integer(value, number),
        DeValue::Float(number) => float(value, number),
        DeValue::Array(_) => {
            let items = value.list().unwrap_or_default().into_iter().enumerate();
            let items = items.map(|(index, item)| within(&item, &index.to_string(), pointer, taken));
            items.collect()
        }
        DeValue::Table(_) => {
            taken.extend(may_be_taken(value, pointer));
            let entries = value.section();
            let entries = entries
                .entries()
                .map(|(key, inner)| (key.to_owned(), within(&inner, key, pointer, taken)));
            Json::Object(entries.collect())
        }
    }
}

/// `value`, which stands one step further.
fn within(value: &Value<'_>, step: &str, pointer: &mut String, taken: &mut Vec<TakenSetting>) -> Json {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
    let json = to_json(value, pointer, taken);
    pointer.truncate(length);
    json
}

/// The settings as a whole are a table in any case.
fn may_be_taken(value: &Value<'_>, pointer: &str) -> Option<TakenSetting> {
    let key = Elsewhere::of(value.raw)?.key();
    let taken = value.taken().filter(|_| !pointer.is_empty())?;
    let outcome = taken.outcome.as_deref();
    Some(TakenSetting {
        pointer: pointer.to_owned(),
        key,
        outcome: outcome.map(Arc::from).map_err(|reason| value.place.problem(reason)),
    })
}

fn integer(value: &Value<'_>, number: &DeInteger<'_>) -> Json {
    let (digits, radix) = (number.as_str(), number.radix());
    if let Ok(n) = i64::from_str_radix(digits, radix) {
        return n.into();
    }
    if let Ok(n) = u64::from_str_radix(digits, radix) {
        return n.into();
    }
    value.problem("is an integer of more than 64 bits", "write it as a string");
    Json::Null
}

fn float(value: &Value<'_>, number: &DeFloat<'_>) -> Json {
    // `from_f64` gives none for what is not finite, and that is what a number too large parses to.
    let json = number.as_str().parse().ok().and_then(Number::from_f64);
    json.map_or_else(
        || {
            value.problem(
                "is not a finite number",
                "JSON, which plugins are given, has neither nan nor inf",
            );
            Json::Null
        },
        Json::Number,
    )
}
