//! Reading requests. They are checked against the JSON schemas of the document, so a call refuses nothing that the document
//! allows. Where the document has to allow less than a call takes stands in `openapi.rs`.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use axum::extract::Query;
use axum::http::Uri;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Keyword, ValidationError, Validator};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::endpoint::{BodyMedia, Endpoint};
use super::problem::{BAD_BODY, BAD_JSON, BAD_PATH, BAD_QUERY, ProblemDetails, ProblemKind};
use super::values::MAX_BYTES;

/// Bytes of a text that an error repeats, at most.
const REPEATED_BYTES: usize = 64;

/// Keywords of a schema that restrict nothing.
const NOTES: [&str; 2] = ["description", "writeOnly"];

/// Reads the requests of one endpoint.
pub(super) struct RequestReader<E: Endpoint> {
    path: Part<E::Path>,
    query: Part<E::Query>,
    body: Part<E::Body>,
}

impl<E: Endpoint> RequestReader<E> {
    pub(super) fn new() -> Self {
        Self {
            path: Part::new("the path", BAD_PATH),
            query: Part::new("the query", BAD_QUERY),
            body: Part::new("the body", BAD_BODY),
        }
    }

    /// Reads the decoded parameters of a path.
    pub(super) fn path(&self, parameters: Map<String, Value>) -> Result<E::Path, ProblemDetails> {
        self.path.read_parameters(parameters)
    }

    pub(super) fn query(&self, uri: &Uri) -> Result<E::Query, ProblemDetails> {
        let Query(pairs) =
            Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|error| BAD_QUERY.because(error.body_text()))?;
        let mut parameters = Map::new();
        for (name, text) in pairs {
            let value = self.query.typed(&name, text);
            if parameters.insert(name.clone(), value).is_some() {
                return Err(BAD_QUERY.because(format!("{}: is there twice", quoted(&name))));
            }
        }
        self.query.read_parameters(parameters)
    }

    /// Reads a body. Empty JSON counts as an empty object.
    pub(super) fn body(&self, bytes: &[u8]) -> Result<E::Body, ProblemDetails> {
        if matches!(E::BODY, BodyMedia::Toml { .. }) {
            let text = std::str::from_utf8(bytes).map_err(|_| BAD_BODY.because("the body is not UTF-8"))?;
            return self.body.read_text(text);
        }
        let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
        let json: &RawValue = serde_json::from_slice(bytes).map_err(|error| BAD_JSON.because(error.to_string()))?;
        self.body.read_json(json.get())
    }
}

/// One part of a request: its type, and the schema of that.
struct Part<T> {
    name: &'static str,
    /// The problem of a part that does not fit.
    kind: ProblemKind,
    schema: Schema,
    validator: Validator,
    read: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + JsonSchema> Part<T> {
    fn new(name: &'static str, kind: ProblemKind) -> Self {
        let mut settings = SchemaSettings::draft2020_12().for_deserialize();
        settings.inline_subschemas = true;
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let validator = jsonschema::options()
            .with_keyword(MAX_BYTES, |_, limit, _| Ok(Box::new(MaxBytes(limit.as_u64()))))
            .build(schema.as_value())
            .expect("a test compiles the schemas of all endpoints");
        Self {
            name,
            kind,
            schema,
            validator,
            read: PhantomData,
        }
    }

    fn read_parameters(&self, parameters: Map<String, Value>) -> Result<T, ProblemDetails> {
        let parameters = Value::Object(parameters);
        self.check(&parameters)?;
        serde_json::from_value(parameters).map_err(|error| self.kind.because(error.to_string()))
    }

    fn read_text(&self, text: &str) -> Result<T, ProblemDetails> {
        let text = Value::from(text);
        self.check(&text)?;
        serde_json::from_value(text).map_err(|error| self.kind.because(error.to_string()))
    }

    /// Parses the body twice: into values to check them, and from its text, because a field of any JSON is kept byte for byte.
    fn read_json(&self, json: &str) -> Result<T, ProblemDetails> {
        let refusal = |error: serde_json::Error| self.kind.because(error.to_string());
        if json.starts_with('{') {
            let raw: BTreeMap<String, &RawValue> = serde_json::from_str(json).map_err(refusal)?;
            let mut fields = Map::new();
            for (name, json) in raw {
                // A large value that may be anything is not taken apart.
                let value = match self.is_free(&name) {
                    true => Value::Null,
                    false => serde_json::from_str(json.get()).map_err(refusal)?,
                };
                fields.insert(name, value);
            }
            self.check(&Value::Object(fields))?;
        } else {
            self.check(&serde_json::from_str(json).map_err(refusal)?)?;
        }
        serde_json::from_str(json).map_err(refusal)
    }

    fn fields(&self) -> impl Iterator<Item = &String> {
        let fields = self.schema.get("properties").and_then(Value::as_object);
        fields.into_iter().flat_map(Map::keys)
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.schema.get("properties")?.get(name)
    }

    /// Whether a field may be any JSON.
    fn is_free(&self, name: &str) -> bool {
        let says_nothing = |schema: &Map<String, Value>| schema.keys().all(|keyword| NOTES.contains(&keyword.as_str()));
        self.field(name).and_then(Value::as_object).is_some_and(says_nothing)
    }

    /// The number or boolean that a parameter's text stands for, if its schema asks for one; else the text.
    fn typed(&self, name: &str, text: String) -> Value {
        let wanted = self.field(name).and_then(|schema| schema["type"].as_str());
        let value = serde_json::from_str(&text).ok().filter(|_| text.trim() == text);
        match (wanted, value) {
            (Some("integer"), Some(number @ Value::Number(_))) => number,
            (Some("boolean"), Some(boolean @ Value::Bool(_))) => boolean,
            _ => Value::String(text),
        }
    }

    fn check(&self, value: &Value) -> Result<(), ProblemDetails> {
        self.validator
            .validate(value)
            .map_err(|error| self.kind.because(self.sentence(value, &error)))
    }

    /// Which field, what it must be, and what came.
    fn sentence(&self, value: &Value, error: &ValidationError<'_>) -> String {
        let mut at = String::new();
        let mut schema = self.schema.as_value();
        for step in error.instance_path().as_str().split('/').skip(1) {
            if at.is_empty() {
                step.clone_into(&mut at);
                schema = &schema["properties"][step];
            } else {
                at = format!("{at}[{step}]");
                schema = &schema["items"];
            }
        }
        match error.kind() {
            // The second where no field is known at all.
            ValidationErrorKind::AdditionalProperties { .. } | ValidationErrorKind::FalseSchema => {
                let known: Vec<_> = self.fields().map(|name| quoted(name)).collect();
                let is_unknown = |name: &&String| self.field(name).is_none();
                let unknown = value.as_object().and_then(|fields| fields.keys().find(is_unknown));
                let unknown = quoted(unknown.map_or("", String::as_str));
                match known.is_empty() {
                    true => format!("{unknown}: is not known; {} has no fields", self.name),
                    false => format!("{unknown}: is not known; there are {}", known.join(", ")),
                }
            }
            ValidationErrorKind::Required { property } => {
                let wanted = property.as_str().and_then(|name| self.field(name)).map(wanted);
                format!("{property}: is missing, must be {}", wanted.unwrap_or_default())
            }
            ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
                let fields: Vec<_> = alternatives(schema).map(quoted).collect();
                format!("{} must have exactly one of {}", self.name, fields.join(", "))
            }
            kind => {
                let place = match at.as_str() {
                    "" => self.name.to_owned(),
                    field => format!("{}:", quoted(field)),
                };
                let twice = match kind {
                    ValidationErrorKind::UniqueItems => first_repeated(error.instance()),
                    _ => None,
                };
                let found = twice.map_or_else(|| found(error.instance()), |twice| format!("with {twice} twice"));
                format!("{place} must be {}, not {found}", wanted(schema))
            }
        }
    }
}

/// What a value must be, with all limits: the title of its schema.
fn wanted(schema: &Value) -> &str {
    // The title of an object is the name of its type.
    let title = schema["title"].as_str().filter(|_| schema["type"] != "object");
    title.unwrap_or_else(|| match schema["type"].as_str() {
        Some("object") => "an object",
        Some("boolean") => "true or false",
        Some("string") => "text",
        _ => "JSON",
    })
}

/// The fields of which an object must have one.
fn alternatives(schema: &Value) -> impl Iterator<Item = &str> {
    let each = schema["oneOf"].as_array().into_iter().flatten();
    each.filter_map(|one| one["required"][0].as_str())
}

fn found(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.len() > REPEATED_BYTES => format!("a text of {} bytes", text.len()),
        Value::String(_) => format!("the text {value}"),
        other => other.to_string(),
    }
}

fn first_repeated(list: &Value) -> Option<&Value> {
    let items = list.as_array()?;
    let repeated = |(index, item): (usize, &_)| items[..index].contains(item);
    let index = (0..items.len()).find(|index| repeated((*index, &items[*index])))?;
    items.get(index)
}

/// As JSON writes it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The keyword [`MAX_BYTES`], which JSON Schema does not have: its `maxLength` counts characters.
struct MaxBytes(Option<u64>);

impl<'i> Keyword<'i> for MaxBytes {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.is_valid(instance) {
            true => Ok(()),
            false => Err(ValidationError::custom("too many bytes")),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let bytes = instance.as_str().map_or(0, |text| text.len() as u64);
        self.0.is_none_or(|limit| bytes <= limit)
    }
}
