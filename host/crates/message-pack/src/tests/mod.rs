//! Both ways: tables of cases, everything hostile, and properties against another implementation.

mod hostile;
mod properties;
mod values;

use super::{from_json, to_json};

/// A JSON text as `MessagePack`.
fn packed(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    from_json(text, &mut out).unwrap_or_else(|error| panic!("{text}: {error}"));
    out
}

/// `MessagePack` as JSON text.
fn unpacked(bytes: &[u8]) -> String {
    to_json(bytes, None)
        .unwrap_or_else(|error| panic!("{bytes:02x?}: {error}"))
        .text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
