//! Reads single claims out of the session's JSON text, without a tree: this runs for every message. Knows no
//! rule.

use std::{borrow::Cow, ops::Range};

use sluicegate_plugin::json;

use crate::settings::Scalar;

fn find(claims: &str, name: &str) -> Option<Range<usize>> {
    let object = json::value_at(claims, 0).ok()?;
    json::member(claims, object.start, name).ok()?
}

/// The claim as text to fill into a pattern: a string as it is, a number as it is written. Other claims, and
/// claims that are not there, are none.
#[must_use]
pub fn text<'c>(claims: &'c str, name: &str) -> Option<Cow<'c, str>> {
    let value = &claims[find(claims, name)?];
    match value.as_bytes().first()? {
        b'"' => Some(json::unescape(&value[1..value.len() - 1])),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(value)),
        _ => None,
    }
}

/// Whether the claim equals the value, or is a list that holds it.
#[must_use]
pub fn is(claims: &str, name: &str, wanted: &Scalar) -> bool {
    let Some(place) = find(claims, name) else { return false };
    if claims.as_bytes()[place.start] == b'[' {
        json::items(claims, place.start)
            .map_while(Result::ok)
            .any(|item| equals(&claims[item.value], wanted))
    } else {
        equals(&claims[place], wanted)
    }
}

fn equals(value: &str, wanted: &Scalar) -> bool {
    match wanted {
        Scalar::Text(text) => {
            let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            inner.is_some_and(|inner| json::unescape(inner) == *text)
        }
        Scalar::Bool(flag) => value == if *flag { "true" } else { "false" },
        Scalar::Number(number) => match serde_json::from_str::<serde_json::Number>(value) {
            // 1 and 1.0 are one number; two large integers must not meet in the rounding of a float.
            Ok(found) if found.is_f64() || number.is_f64() => found.as_f64() == number.as_f64(),
            Ok(found) => found == *number,
            Err(_) => false,
        },
    }
}
