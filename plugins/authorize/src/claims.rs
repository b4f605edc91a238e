//! Reads single claims out of the session's JSON text, without a tree: this runs for every message. Knows no
//! rule.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use sluicegate_plugin::json;

use crate::settings::Scalar;

/// The claims that somebody may ask for, each with its number.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, usize>);

/// Where those claims are in one session's claims.
#[derive(Debug)]
pub struct Places(Vec<Option<Range<usize>>>);

impl Names {
    /// The number of `name`, which may be asked for from now on.
    pub fn add(&mut self, name: &str) -> usize {
        let next = self.0.len();
        *self.0.entry(name.to_owned()).or_insert(next)
    }

    /// The number of `name`, if it may be asked for.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }

    /// Finds all of them in one reading of the text, however many there are: the user's claims may be long. Of one that is
    /// there twice the last counts.
    #[must_use]
    pub fn find(&self, claims: &str) -> Places {
        let mut places = vec![None; self.0.len()];
        let object = json::value_at(claims, 0).ok();
        let object = object.filter(|object| claims.as_bytes()[object.start] == b'{');
        let members = object.map(|object| json::items(claims, object.start));
        for member in members.into_iter().flatten().map_while(Result::ok) {
            if let Some(number) = self.number(&json::unescape(&claims[member.key])) {
                places[number] = Some(member.value);
            }
        }
        Places(places)
    }
}

impl Places {
    /// The claim as text to fill into a pattern: a string as it is, a number as it is written. Other claims, and
    /// claims that are not there, are none.
    #[must_use]
    pub fn text<'c>(&self, claims: &'c str, number: usize) -> Option<Cow<'c, str>> {
        let value = &claims[self.0[number].clone()?];
        match value.as_bytes().first()? {
            b'"' => Some(json::unescape(&value[1..value.len() - 1])),
            b'-' | b'0'..=b'9' => Some(Cow::Borrowed(value)),
            _ => None,
        }
    }

    /// Whether the claim equals the value, or is a list that holds it.
    #[must_use]
    pub fn is(&self, claims: &str, number: usize, wanted: &Scalar) -> bool {
        let Some(place) = self.0[number].clone() else {
            return false;
        };
        if claims.as_bytes()[place.start] == b'[' {
            json::items(claims, place.start)
                .map_while(Result::ok)
                .any(|item| equals(&claims[item.value], wanted))
        } else {
            equals(&claims[place], wanted)
        }
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
