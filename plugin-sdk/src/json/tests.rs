//! Checks the reader of JSON text against `serde_json`, and on text that is not JSON.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn whole(json: &str) -> &str {
    &json[value_at(json, 0).unwrap()]
}

#[test]
fn broken_text_ends_in_an_error_and_not_in_a_panic() {
    for text in ["", "  ", "{", "[1", "\"abc", "\"abc\\", "}", ",", ":1"] {
        assert!(value_at(text, 0).is_err(), "{text}");
    }
    for text in ["{1:2}", "{\"a\" 1}", "{\"a\":}", "{\"a\":1", "{\"a", "[1,"] {
        assert!(items(text, 0).any(|item| item.is_err()), "{text}");
    }
    assert_eq!(strings("\"abc").count(), 0);
    assert_eq!(unescape("\\"), "\u{fffd}");
    assert_eq!(unescape("\\u12"), "\u{fffd}u12");
    assert_eq!(unescape("\\u+123"), "\u{fffd}u+123");
    assert_eq!(unescape("\\ud800x\\udc00"), "\u{fffd}x\u{fffd}");
    assert_eq!(unescape("\\ué12345"), "\u{fffd}ué12345");
}

#[test]
fn values_end_where_they_end() {
    assert_eq!(whole(" {\"a\":\"}\"} x"), "{\"a\":\"}\"}");
    assert_eq!(whole("[\"\\\"]\",[2]]"), "[\"\\\"]\",[2]]");
    assert_eq!(whole("-1.5e300, 2"), "-1.5e300");
    assert_eq!(whole("true}"), "true");
}

#[test]
fn depth_needs_no_stack() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    assert_eq!(whole(&deep).len(), deep.len());
    assert_eq!(items(&deep, 0).count(), 1);
}

#[test]
fn items_name_key_value_and_whole() {
    let json = r#" { "a" : 1 , "\u0062":[2] }"#;
    let found: Vec<_> = items(json, 1)
        .map(|item| item.unwrap())
        .map(|i| (&json[i.key], &json[i.value], &json[i.whole]))
        .collect();
    assert_eq!(found, [("a", "1", r#""a" : 1"#), (r"\u0062", "[2]", r#""\u0062":[2]"#)]);
    assert_eq!(items("7", 0).count(), 0);
    assert_eq!(items("{ }", 0).count(), 0);
}

#[test]
fn a_member_is_the_last_of_its_name_whatever_its_spelling() {
    let json = r#"{"b":1,"a":2,"\u0062":3}"#;
    assert_eq!(member(json, 0, "b").unwrap().map(|v| &json[v]), Some("3"));
    assert_eq!(member(json, 0, "c"), Ok(None));
}

#[test]
fn strings_tells_keys_from_values() {
    let json = r#"{"k" : ["v:", {"n\"":"w"}], "e":""}"#;
    let found: Vec<_> = strings(json).map(|t| (&json[t.content], t.key)).collect();
    assert_eq!(
        found,
        [
            ("k", true),
            ("v:", false),
            ("n\\\"", true),
            ("w", false),
            ("e", true),
            ("", false)
        ]
    );
}

#[test]
fn chars_carry_their_places() {
    let found: Vec<_> = chars("é\\u0068\\ud83d\\ude00/").collect();
    assert_eq!(found, [('é', 0..2), ('h', 2..8), ('😀', 8..20), ('/', 20..21)]);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_ends(text in "[\\[\\]{}\":,\\\\a1u ]{0,40}") {
        let _ = value_at(&text, 0);
        let _ = strings(&text).count();
        let _ = items(&text, 0).count();
        let _ = unescape(&text);
    }

    #[test]
    fn is_plain_is_ascii_without_a_backslash(bytes in prop::collection::vec(prop_oneof![20 => 0_u8..128, 1 => any::<u8>(), 1 => Just(b'\\'), 1 => Just(b']')], 0..40)) {
        prop_assert_eq!(is_plain(&bytes), bytes.is_ascii() && !bytes.contains(&b'\\'));
    }

    #[test]
    fn find_any_finds_the_first(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'!'), Just(b'#')], 0..40),
                                at in 0usize..45) {
        let first = (at..bytes.len()).find(|i| bytes[*i] == b'"' || bytes[*i] == 0x80);
        prop_assert_eq!(find_any(&bytes, at, [b'"', 0x80]), first);
    }

    #[test]
    fn items_see_what_serde_sees(value in any_json(), pretty in any::<bool>()) {
        let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let json = json.unwrap();
        prop_assert_eq!(value_at(&json, 0).unwrap(), 0..json.len());
        let seen: Vec<(String, Value)> = items(&json, 0)
            .map(|item| item.unwrap())
            .map(|item| (
                unescape(&json[item.key]).into_owned(),
                serde_json::from_str(&json[item.value]).unwrap(),
            ))
            .collect();
        let expected: Vec<(String, Value)> = match value {
            Value::Object(map) => map.into_iter().collect(),
            Value::Array(list) => list.into_iter().map(|v| (String::new(), v)).collect(),
            _ => Vec::new(),
        };
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn escape_and_unescape_agree_with_serde(text in any::<String>()) {
        let mut ours = String::new();
        escape_into(&mut ours, &text);
        prop_assert_eq!(unescape(&ours).into_owned(), text.clone());
        let read: String = serde_json::from_str(&format!("\"{ours}\"")).unwrap();
        prop_assert_eq!(read, text.clone());
        let theirs = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(unescape(&theirs[1..theirs.len() - 1]).into_owned(), text);
    }
}
