//! A plugin's own settings: TOML to JSON. Knows nothing of what they mean.

use serde_json::{Number, Value as Json};
use toml::de::{DeFloat, DeInteger, DeValue};

use super::section::Value;

/// `value` as JSON. Dates become strings as they are written; what JSON has no number for is reported.
pub(super) fn to_json(value: &Value<'_>) -> Json {
    match value.raw {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Boolean(flag) => Json::from(*flag),
        DeValue::Datetime(date) => Json::from(date.to_string()),
        DeValue::Integer(number) => integer(value, number),
        DeValue::Float(number) => float(value, number),
        DeValue::Array(_) => value.list().unwrap_or_default().iter().map(to_json).collect(),
        DeValue::Table(_) => {
            let entries = value.section();
            let entries = entries.entries().map(|(key, value)| (key.to_owned(), to_json(&value)));
            Json::Object(entries.collect())
        }
    }
}

fn integer(value: &Value<'_>, number: &DeInteger<'_>) -> Json {
    let (digits, radix) = (number.as_str(), number.radix());
    if let Ok(n) = i64::from_str_radix(digits, radix) {
        return n.into();
    }
    if let Ok(n) = u64::from_str_radix(digits, radix) {
        return n.into();
    }
    value.problem("is an integer of more than 64 bits", "write it as a string");
    Json::Null
}

fn float(value: &Value<'_>, number: &DeFloat<'_>) -> Json {
    // `from_f64` gives none for what is not finite, and that is what a number too large parses to.
    let json = number.as_str().parse().ok().and_then(Number::from_f64);
    json.map_or_else(
        || {
            value.problem(
                "is not a finite number",
                "JSON, which plugins are given, has neither nan nor inf",
            );
            Json::Null
        },
        Json::Number,
    )
}
