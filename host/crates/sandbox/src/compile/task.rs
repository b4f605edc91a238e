//! What is to be done, and how: the same in place and in a process of its own.

use jsonschema::Validator;
use serde_json::Value;
use wasmtime::Engine;

use super::super::error::SettingError;
use super::super::fault::cut;

/// Violations that are shown at once.
const SHOWN: usize = 10;
/// Schemas that are known at once.
const SCHEMAS: usize = 8;

/// A piece of work.
pub(super) enum CompilerTask<'a> {
    /// From a component in the text format to its binary.
    Binary(&'a [u8]),
    /// From its binary to machine code.
    Compile(&'a [u8]),
    /// Whether `settings` fit `schema`, both JSON. The answer is a list of violations, for [`read_violations`].
    Settings { schema: &'a str, settings: &'a str },
}

/// The schemas of the last plugins whose settings were checked: thousands of tenants have the same few.
#[derive(Default)]
pub(super) struct KnownSchemas(Vec<(String, Validator)>);

impl CompilerTask<'_> {
    /// Does it. The error is one line about what the task is about.
    pub(super) fn perform(&self, engine: &Engine, schemas: &mut KnownSchemas) -> Result<Vec<u8>, String> {
        match self {
            Self::Binary(text) => {
                let binary = wat::parse_bytes(text).map_err(|error| error.to_string())?;
                Ok(binary.into_owned())
            }
            Self::Compile(binary) => engine
                .precompile_component(binary)
                .map_err(|error| format!("{error:#}")),
            Self::Settings { schema, settings } => {
                let settings: Value = serde_json::from_str(settings).map_err(|error| error.to_string())?;
                violations(schemas.validator(schema)?, &settings)
            }
        }
    }
}

// === impl KnownSchemas ===

impl KnownSchemas {
    fn validator(&mut self, schema: &str) -> Result<&Validator, String> {
        if let Some(index) = self.0.iter().position(|(known, _)| known == schema) {
            return Ok(&self.0[index].1);
        }
        let parsed: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
        let validator = jsonschema::validator_for(&parsed).map_err(|error| cut(error.to_string()))?;
        if self.0.len() >= SCHEMAS {
            self.0.remove(0);
        }
        self.0.push((schema.to_owned(), validator));
        Ok(&self.0[self.0.len() - 1].1)
    }
}

fn violations(validator: &Validator, settings: &Value) -> Result<Vec<u8>, String> {
    let list: Vec<(String, String)> = validator
        .iter_errors(settings)
        .take(SHOWN)
        .map(|error| {
            let key = key(error.instance_path().as_str());
            // Settings hold signing keys; what is wrong is said without them.
            (cut(key), cut(error.masked_with("the value").to_string()))
        })
        .collect();
    serde_json::to_vec(&list).map_err(|error| error.to_string())
}

/// The violations in the answer to [`CompilerTask::Settings`].
pub(super) fn read_violations(answer: &[u8]) -> Result<Vec<SettingError>, serde_json::Error> {
    let list: Vec<(String, String)> = serde_json::from_slice(answer)?;
    Ok(list
        .into_iter()
        .map(|(key, reason)| SettingError { key, reason })
        .collect())
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
