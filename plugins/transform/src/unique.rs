//! `uniqueItems` in a time that no message can make long. A hash of each item would be quicker for most, but items can be
//! found that all have the same one: lists of empty lists, numbers near 2^64.

use jsonschema::{Keyword, ValidationError, paths::Location};
use serde_json::{Map, Number, Value};

/// The keyword with the value `true`, or with any other, which asks for nothing.
pub(crate) struct Unique(bool);

impl Unique {
    /// Makes the keyword; the schema's own schema has its value checked.
    #[allow(clippy::unnecessary_wraps, reason = "the signature of a keyword's maker")]
    pub(crate) fn keyword<'a>(
        _: &'a Map<String, Value>,
        value: &'a Value,
        _: Location,
    ) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
        Ok(Box::new(Self(value == &Value::Bool(true))))
    }
}

impl<'i> Keyword<'i> for Unique {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.is_valid(instance) {
            true => Ok(()),
            false => Err(ValidationError::custom("has items that are the same")),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match instance {
            Value::Array(items) if self.0 && items.len() > 1 => are_unique(items),
            _ => true,
        }
    }
}

/// Sorted by their texts, equal items stand beside each other. The texts are as long as the message together.
fn are_unique(items: &[Value]) -> bool {
    let mut texts: Vec<String> = items.iter().map(text).collect();
    texts.sort_unstable();
    texts.windows(2).all(|pair| pair[0] != pair[1])
}

fn text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

/// Writes a value such that equal values have the same text: members in the order of their keys, a number in one way.
fn write(out: &mut String, value: &Value) {
    match value {
        Value::Number(number) => write_number(out, number),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(out, item);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in members {
                write_text(out, key);
                write(out, value);
            }
            out.push('}');
        }
        Value::String(text) => write_text(out, text),
        Value::Null => out.push('n'),
        Value::Bool(true) => out.push('t'),
        Value::Bool(false) => out.push('f'),
    }
}

/// With its length, so that no text looks like the end of itself.
fn write_text(out: &mut String, text: &str) {
    out.push_str(&text.len().to_string());
    out.push('"');
    out.push_str(text);
}

fn write_number(out: &mut String, number: &Number) {
    // 1 and 1.0 are one number. From here on (2^64) no other form than that of a float can say it.
    const END_OF_INTEGERS: f64 = 18_446_744_073_709_551_616.0;
    let text = match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < END_OF_INTEGERS => {
            #[allow(clippy::cast_possible_truncation, reason = "whole and under 2^64")]
            let whole = float as i128;
            whole.to_string()
        }
        _ => number.to_string(),
    };
    out.push_str(&text);
    out.push(';');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unique(json: &str) -> bool {
        Unique(true).is_valid(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn equal_is_what_json_schema_says() {
        for same in [
            "[1,1]",
            "[1,1.0,2]",
            "[0,-0.0]",
            "[1e3,1000]",
            "[18446744073709551615,18446744073709551615]",
            r#"[{"a":1,"b":[2]},{"b":[2.0],"a":1}]"#,
            r#"["a","\u0061"]"#,
            "[null,1,null]",
            "[[],1,[]]",
        ] {
            assert!(!unique(same), "{same}");
        }
        for different in [
            "[]",
            "[1]",
            "[1,true]",
            "[0,false,null,\"\",[],{}]",
            r#"["1",1]"#,
            r#"["a","A"]"#,
            r#"[{"a":"b"},{"a":"c"}]"#,
            r#"[["a,b"],["a","b"]]"#,
            r#"["1\"a","a"]"#,
            "[[1,[2]],[[1],2],[1,2]]",
            "[18446744073709551615,18446744073709551614,9007199254740993,9007199254740992]",
            "[1.5,2.5]",
            "[1e300,1e301]",
        ] {
            assert!(unique(different), "{different}");
        }
        assert!(Unique(false).is_valid(&serde_json::json!([1, 1])));
    }
}
