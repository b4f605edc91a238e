//! Bytes where only JSON may stand: strings of base64 in the standard alphabet, padded (RFC 4648, 4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A text that is not base64, or a JSON value that is no such text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

/// Appends bytes as a JSON string.
pub(super) fn write(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let from = out.len();
    out.resize(from + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[from..]);
    out.truncate(from + written.expect("four characters for each three bytes"));
    out.push(b'"');
}

/// Bytes as a JSON string.
#[must_use]
pub fn base64_json(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(2 + bytes.len().div_ceil(3) * 4);
    write(&mut text, bytes);
    text
}

/// The bytes that a text in base64 stands for.
///
/// # Errors
/// It is of another alphabet, or not padded, or has white space in it.
pub fn read_base64(text: impl AsRef<[u8]>) -> Result<Vec<u8>, NotBase64> {
    STANDARD.decode(text).map_err(|_| NotBase64)
}

/// The bytes that the JSON string `json` stands for. White space around it is allowed.
///
/// # Errors
/// It is no string, or not of base64.
pub fn read_base64_json(json: &[u8]) -> Result<Vec<u8>, NotBase64> {
    let json = json.trim_ascii();
    let inner = json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\""));
    match inner {
        None => Err(NotBase64),
        // A slash may be escaped, and every other character too.
        Some(inner) if inner.contains(&b'\\') => {
            let text = serde_json::from_slice::<String>(json).map_err(|_| NotBase64)?;
            read_base64(text)
        }
        Some(inner) => read_base64(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_a_string_and_back() {
        for (bytes, text) in [
            (&b""[..], "\"\""),
            (b"x", "\"eA==\""),
            (b"xy", "\"eHk=\""),
            (b"xyz", "\"eHl6\""),
            (&[0xfb, 0xff, 0xbf], "\"+/+/\""),
        ] {
            assert_eq!(base64_json(bytes), text.as_bytes());
            assert_eq!(read_base64_json(text.as_bytes()), Ok(bytes.to_vec()));
        }
        assert_eq!(read_base64_json(br#" "+\/\u002b/" "#), Ok(vec![0xfb, 0xff, 0xbf]));
    }

    #[test]
    fn what_is_not_padded_base64_is_refused() {
        for text in [
            r#""eA""#,
            r#""eA=""#,
            r#""eA===""#,
            r#""-_-_""#,
            r#""eHl6 ""#,
            r#""eB==""#,
            "\"eHl6",
            "null",
            "7",
            "",
            "\"",
            "[]",
            r#""eA=="x"#,
            r#""eA=\x""#,
        ] {
            assert_eq!(read_base64_json(text.as_bytes()), Err(NotBase64), "{text}");
        }
    }
}
