//! Checks messages against a JSON Schema. The only place that names the schema crate, and the only one that
//! builds a tree of a message.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use sluicegate_plugin::{json, text};

use crate::unique::Unique;

/// Bytes of a violation that are told: its place and the names in it are the client's, and may be as long as its message.
const VIOLATION_BYTES: usize = 512;

/// What a message may have to be checked: a tree of it takes memory, and checking it time.
#[derive(Clone, Copy, Debug)]
pub struct SchemaBounds {
    /// Bytes of the message.
    pub bytes: usize,
    /// Values, lists and objects in it.
    pub values: usize,
}

/// Why a message does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The first violation: its place and what was expected there, on one line.
    Violation(String),
    /// It is over one of [`SchemaBounds`]: the setting of this name.
    TooComplex(&'static str),
}

/// A compiled schema.
pub struct Schema {
    validator: Validator,
    bounds: SchemaBounds,
}

impl Schema {
    /// Compiles a schema: draft 2020-12 unless its `$schema` says another. Patterns are matched in time that grows with
    /// the length of a text and no faster, so they have neither look-around nor references to groups.
    ///
    /// # Errors
    /// What is wrong with it; a reference to another document is, because nothing is fetched.
    pub fn check(schema: &Value, bounds: SchemaBounds) -> Result<Self, String> {
        let options = jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .with_keyword("uniqueItems", Unique::keyword);
        let validator = options.build(schema).map_err(|error| error.to_string())?;
        Ok(Self { validator, bounds })
    }

    /// Checks a message.
    ///
    /// # Errors
    /// [`Unfit`]. The message's own values are left out: this goes to a log.
    pub fn validate(&self, json: &str) -> Result<(), Unfit> {
        if json.len() > self.bounds.bytes {
            return Err(Unfit::TooComplex("max_schema_bytes"));
        }
        if has_more_values(json, self.bounds.values) {
            return Err(Unfit::TooComplex("max_schema_values"));
        }
        // serde_json stops at 128 levels, which keeps the validator's recursion small.
        let value: Value =
            serde_json::from_str(json).map_err(|error| violation(format!("the message cannot be checked: {error}")))?;
        // Most messages are valid, and this asks no more.
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        self.validator.validate(&value).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() {
                "the message"
            } else {
                place.as_str()
            };
            violation(format!("{place}: {}", error.masked()))
        })
    }
}

fn violation(text: String) -> Unfit {
    Unfit::Violation(text::on_one_line(&text, VIOLATION_BYTES))
}

/// Whether a JSON text has more values in it than `most`: each follows the opening of a list or object, or a comma.
fn has_more_values(json: &str, most: usize) -> bool {
    let bytes = json.as_bytes();
    let (mut values, mut at) = (1, 0);
    while let Some(next) = json::find_any(bytes, at, *b"\",[{") {
        if bytes[next] == b'"' {
            let Ok(text) = json::value_at(json, next) else {
                return false;
            };
            at = text.end;
        } else {
            values += 1;
            at = next + 1;
        }
        if values > most {
            return true;
        }
    }
    values > most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted() {
        for (json, values) in [
            ("1", 1),
            ("\"a,b[{\\\",\"", 1),
            ("[1,2,3]", 4),
            ("{\"a,\":1,\"b\":[{\"c\":\"{\"}]}", 5),
        ] {
            assert!(has_more_values(json, values - 1), "{json}");
            assert!(!has_more_values(json, values), "{json}");
        }
    }
}
