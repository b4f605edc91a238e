//! The parameters of a call, made short for a line that would be too long with all of them. Pure.

use serde_json::{Map, Value};

/// Bytes of a text at most.
const TEXT_BYTES: usize = 256;
/// Items of a list at most.
const ITEMS: usize = 8;

/// Long texts and lists are cut, and say what is missing.
pub(super) fn shortened(params: &Map<String, Value>) -> Map<String, Value> {
    let fields = params.iter().map(|(name, value)| (name.clone(), short(value)));
    fields.collect()
}

fn short(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > TEXT_BYTES => {
            let kept = &text[..text.floor_char_boundary(TEXT_BYTES)];
            format!("{kept}… ({} bytes)", text.len()).into()
        }
        Value::Array(items) => {
            let more = items.len().saturating_sub(ITEMS);
            let more = (more > 0).then(|| format!("… ({more} more)").into());
            items.iter().take(ITEMS).map(short).chain(more).collect()
        }
        Value::Object(fields) => Value::Object(shortened(fields)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        let long = "ü".repeat(TEXT_BYTES);
        let params = json!({ "a": "short", "n": 7, "long": long, "list": vec!["x"; 100], "in": { "long": long } });
        let cut = format!("{}… (512 bytes)", "ü".repeat(TEXT_BYTES / 2));
        let mut list = vec![json!("x"); ITEMS];
        list.push(json!("… (92 more)"));
        let expected = json!({ "a": "short", "n": 7, "long": cut, "list": list, "in": { "long": cut } });
        assert_eq!(Value::Object(shortened(params.as_object().unwrap())), expected);
    }
}
