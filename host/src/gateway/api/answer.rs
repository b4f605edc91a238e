//! What a call that was carried out answers: JSON, or a text of another type; and the version of what it is about.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::response::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::problem::{INTERNAL, ProblemDetails};

pub(super) const JSON: &str = "application/json";
pub(super) const TOML: &str = "application/toml";

/// The answer of an endpoint, as it is described in the document and written.
pub(super) trait CallAnswer: Send {
    /// Its media type.
    const MEDIA: &'static str;
    /// Whether it has an `ETag`.
    const HAS_VERSION: bool;

    fn schema(generator: &mut SchemaGenerator) -> Schema;

    fn write(self) -> Result<AnswerBytes, ProblemDetails>;
}

/// An answer in bytes.
pub(super) struct AnswerBytes {
    media: &'static str,
    version: Option<String>,
    bytes: Vec<u8>,
}

impl AnswerBytes {
    pub(super) fn response(self) -> Response {
        let mut response = Response::new(Body::from(self.bytes));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let tag = self
            .version
            .map(|version| HeaderValue::try_from(format!("\"{version}\"")));
        if let Some(Ok(tag)) = tag {
            headers.insert(ETAG, tag);
        }
        response
    }
}

impl<T: Serialize + JsonSchema + Send> CallAnswer for T {
    const MEDIA: &'static str = JSON;
    const HAS_VERSION: bool = false;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }

    fn write(self) -> Result<AnswerBytes, ProblemDetails> {
        let bytes = serde_json::to_vec(&self).map_err(|error| INTERNAL.because(error.to_string()))?;
        Ok(AnswerBytes {
            media: JSON,
            version: None,
            bytes,
        })
    }
}

/// An answer in JSON about something that has a version.
pub(super) struct Versioned<T> {
    pub version: String,
    pub answer: T,
}

impl<T: Serialize + JsonSchema + Send> CallAnswer for Versioned<T> {
    const MEDIA: &'static str = JSON;
    const HAS_VERSION: bool = true;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }

    fn write(self) -> Result<AnswerBytes, ProblemDetails> {
        Ok(AnswerBytes {
            version: Some(self.version),
            ..self.answer.write()?
        })
    }
}

/// A TOML document that has a version.
pub(super) struct TomlDocument {
    pub version: String,
    pub text: String,
}

impl CallAnswer for TomlDocument {
    const MEDIA: &'static str = TOML;
    const HAS_VERSION: bool = true;

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A TOML document." })
    }

    fn write(self) -> Result<AnswerBytes, ProblemDetails> {
        Ok(AnswerBytes {
            media: TOML,
            version: Some(self.version),
            bytes: self.text.into_bytes(),
        })
    }
}
