//! The query of a request, as forms write it.

use axum::http::Uri;
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// A name and a value.
pub(super) type QueryPair = (String, String);

#[derive(Debug, Error, PartialEq, Eq)]
#[error("the query is no UTF-8")]
pub(super) struct NotUtf8;

/// The pairs, in their order.
pub(super) fn pairs(uri: &Uri) -> Result<Vec<QueryPair>, NotUtf8> {
    let parts = uri.query().unwrap_or_default().split('&');
    let pairs = parts.filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decoded(name)?, decoded(value)?))
    });
    pairs.collect()
}

fn decoded(text: &str) -> Result<String, NotUtf8> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| NotUtf8)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_a_form_is_read() {
        for (query, expected) in [
            ("", &[][..]),
            ("a=b", &[("a", "b")]),
            ("a=b&&c", &[("a", "b"), ("c", "")]),
            ("a=b=c&a=%26", &[("a", "b=c"), ("a", "&")]),
            ("r%C3%A4ume=a+b%2Bc", &[("r\u{e4}ume", "a b+c")]),
            ("a=%&b=%4&c=%zz", &[("a", "%"), ("b", "%4"), ("c", "%zz")]),
        ] {
            let uri: Uri = format!("/sse?{query}").parse().unwrap();
            let read = pairs(&uri).unwrap();
            let read: Vec<_> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
            assert_eq!(read, expected, "{query}");
        }
    }

    #[test]
    fn what_is_no_text_is_not_taken_for_another() {
        for query in ["a=%ff", "%c3=b", "a=%ed%a0%80", "a=b&c=%c0%80"] {
            let uri: Uri = format!("/sse?{query}").parse().unwrap();
            assert_eq!(pairs(&uri), Err(NotUtf8), "{query}");
        }
    }
}
