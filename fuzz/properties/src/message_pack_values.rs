//! `MessagePack`: what is taken is JSON of the same value, bounded by the bytes; any JSON becomes it and comes back.

use message_pack::{first_fields, from_json, to_json};
use serde::de::IgnoredAny;

/// The bytes that extensions begin with.
const EXTENSIONS: [u8; 8] = [0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8];

/// Bytes for both ways: as `MessagePack`, and as JSON text.
///
/// # Panics
/// When a property does not hold.
pub fn message_pack(data: &[u8]) {
    let binary_at = Some(&["payload", "data"][..]);
    let fields = first_fields(data, &["type", "id"]);
    match to_json(data, binary_at) {
        Ok(read) => {
            fields.expect("a value that was read can be told apart");
            assert!(read.text.len() <= 6 * data.len());
            check_json(&read.text);
            check_comes_back(data, &read.text);
            match read.binary {
                Some(binary) => assert!(binary.end <= data.len()),
                None => assert_eq!(to_json(data, None), Ok(read)),
            }
        }
        Err(error) => {
            super::one_line(&error.to_string());
            assert!(error.path.len() <= 131);
            assert!(!error.fault.breaks_framing() || !matches!(fields, Ok([Some(_), _] | [_, Some(_)])));
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        let mut bytes = Vec::new();
        assert_eq!(from_json(text, &mut bytes).is_ok(), is_json);
        // What JSON nests deeper is written, but not read.
        if is_json && let Ok(once) = to_json(&bytes, None) {
            assert_eq!(converted(&converted_back(&once.text)), once.text);
        }
    }
}

/// What was read comes back as it is, but for numbers that came as texts: these may be spelled otherwise.
fn check_comes_back(data: &[u8], text: &str) {
    let again = converted(&converted_back(text));
    if again == text {
        return;
    }
    assert!(
        data.iter().any(|byte| EXTENSIONS.contains(byte)),
        "{again} is not {text}"
    );
    assert_eq!(without_numbers(&again), without_numbers(text));
    assert_eq!(converted(&converted_back(&again)), again);
}

/// JSON text without what numbers are written with, except in its strings.
fn without_numbers(text: &str) -> String {
    let (mut is_in_string, mut is_escaped) = (false, false);
    let mut rest = String::new();
    for character in text.chars() {
        if is_in_string || !"+-.0123456789eE".contains(character) {
            rest.push(character);
        }
        is_in_string ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
    }
    rest
}

fn check_json(text: &str) {
    serde_json::from_str::<IgnoredAny>(text).expect("JSON");
}

fn converted_back(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    from_json(text, &mut bytes).expect("JSON");
    bytes
}

fn converted(bytes: &[u8]) -> String {
    to_json(bytes, None).expect("what was written here").text
}
