//! A first look at a plugin's bytes, before they are compiled: are they a whole component, and what
//! settings does it want? Knows nothing of the contract.

use serde_json::Value;
use wasmparser::{Encoding, Parser, Payload};

use super::error::LoadError;

/// The custom section a plugin's settings schema is in: JSON Schema as JSON text.
const SCHEMA_SECTION: &str = "sluicegate:settings-schema";
/// Bytes of a schema at most.
const SCHEMA_BYTES: usize = 256 * 1024;

/// What a component says of itself.
#[derive(Debug)]
pub(super) struct Inspected {
    pub(super) schema: Option<Value>,
}

/// Whether it is in the text format, as plugins written by hand are.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .find(|b| !b.is_ascii_whitespace())
        .is_some_and(|b| matches!(b, b'(' | b';'))
}

/// Looks at `bytes`, which must be a whole component in the binary format.
pub(super) fn inspect(bytes: &[u8]) -> Result<Inspected, LoadError> {
    if !bytes.starts_with(b"\0asm") {
        let found = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).into_owned();
        return Err(LoadError::NotWasm { found });
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    let mut schema = None;
    for payload in Parser::new(0).parse_all(bytes) {
        // Parsing is shallow, so what fails here is mostly an end that comes too soon.
        let payload = payload.map_err(|error| match error.message() {
            message if message.contains("unexpected end") || message.contains("extends past end") => {
                LoadError::Truncated(error.to_string())
            }
            _ => LoadError::Invalid(error.to_string()),
        })?;
        match payload {
            Payload::Version {
                encoding: Encoding::Module,
                range,
                ..
            } if range.start == 0 => {
                return Err(LoadError::CoreModule);
            }
            Payload::CustomSection(section) if section.name() == SCHEMA_SECTION && schema.is_none() => {
                schema = Some(parse_schema(section.data())?);
            }
            _ => {}
        }
    }
    Ok(Inspected { schema })
}

fn parse_schema(data: &[u8]) -> Result<Value, LoadError> {
    if data.len() > SCHEMA_BYTES {
        let found = data.len();
        return Err(LoadError::BadSchema(format!(
            "it has {found} bytes; the limit is {SCHEMA_BYTES}"
        )));
    }
    serde_json::from_slice(data).map_err(|error| LoadError::BadSchema(error.to_string()))
}
