//! Whatever a client publishes, it gets an answer: a table of messages against every kind of rule. A verdict that the
//! broker would take for a fault fails in the test host.

mod support;

use serde_json::{Value, json};
use sluicegate_plugin::{PublishVerdict, text};

/// The default `message_bytes` of the broker.
const MESSAGE_BYTES: usize = 65_536;
/// The default of `max_growth_bytes`.
const GROWTH_BYTES: usize = 65_536;

/// `part` again and again, joined by commas, as much as fits into a message beside `rest` bytes.
fn many(part: &str, rest: usize) -> String {
    let count = (MESSAGE_BYTES - rest) / (part.len() + 1);
    vec![part; count].join(",")
}

/// Different lists of empty lists: a hash that goes by what is in them is the same for all.
fn trees() -> String {
    fn of(pairs: usize) -> Vec<String> {
        let mut all = Vec::new();
        if pairs == 0 {
            return vec![String::new()];
        }
        for first in 0..pairs {
            for inner in of(first) {
                for rest in of(pairs - 1 - first) {
                    let comma = if rest.is_empty() { "" } else { "," };
                    all.push(format!("[{inner}]{comma}{rest}"));
                }
            }
        }
        all
    }
    let lists: Vec<String> = of(7).into_iter().map(|inner| format!("[{inner}]")).collect();
    format!("[{}]", lists.join(","))
}

fn messages() -> Vec<(&'static str, String)> {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let long = "a".repeat(60_000);
    vec![
        ("cards", format!("{{{}}}", many(r#""card":1"#, 2))),
        ("cards in a list", format!("[{}]", many(r#"{"card":1}"#, 2))),
        ("short words", format!("\"{}\"", "a ".repeat(32_000))),
        ("words in a list", format!("[{}]", many(r#""a""#, 2))),
        (
            "a key with control characters",
            r#"{"\u0000\u001b[31m\n\u202e":1}"#.to_owned(),
        ),
        (
            "a key with controls, beyond ASCII",
            "{\"\u{7f}\u{85}\u{2028}\u{202e}é\":1}".to_owned(),
        ),
        ("half a surrogate in a key", r#"{"\ud800":1,"text":1}"#.to_owned()),
        ("half a surrogate", r#"{"text":"\udfff \ud800a"}"#.to_owned()),
        ("a long key", format!("{{\"{long}\":1}}")),
        (
            "a long key of escapes",
            format!("{{\"{}\":1}}", r"\u0001".repeat(10_000)),
        ),
        (
            "many keys",
            format!(
                "{{{}}}",
                (0..6_000).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",")
            ),
        ),
        ("a long string", format!("{{\"text\":\"{long}\"}}")),
        ("a long word", format!("\"{long} a\"")),
        ("200 levels", deep(200)),
        ("30,000 levels", deep(30_000)),
        (
            "levels of objects",
            format!("{}1{}", "{\"card\":".repeat(6_000), "}".repeat(6_000)),
        ),
        ("a number beyond floats", r#"{"text":1e400,"n":-1e400}"#.to_owned()),
        (
            "long numbers",
            format!("[{}]", many("123456789012345678901234567890.5e-400", 2)),
        ),
        ("numbers that floats do not tell apart", {
            let numbers: Vec<String> = (0..3_000_u64).map(|n| (u64::MAX - n).to_string()).collect();
            format!("[{}]", numbers.join(","))
        }),
        ("trees", trees()),
        (
            "a key twice",
            r#"{"text":"a","text":1,"card":{"card":1},"card":[]}"#.to_owned(),
        ),
        ("empty keys", format!("{{{}}}", many(r#""":{"":1}"#, 2))),
        ("empty lists", format!("[{}]", many("[]", 2))),
        ("empty objects", format!("[{}]", many("{}", 2))),
        ("links of escapes", format!("\"{}\"", r"\u0068ttp:\/\/".repeat(4_000))),
    ]
}

fn rules() -> Vec<Value> {
    let schema = |schema: Value| json!({"channels": "**", "schema": schema});
    let each = json!({"$defs": {"any": {
        "additionalProperties": {"$ref": "#/$defs/any"}, "items": {"$ref": "#/$defs/any"}, "not": {"const": "b"},
        "uniqueItems": true, "maxLength": 50_000, "minimum": 0
    }}, "$ref": "#/$defs/any"});
    vec![
        json!({"channels": "**", "mask": ["/card", "/0/card", "/text", "/"]}),
        json!({"channels": "**", "remove": ["/card", "/0", "/text", "/card/card"]}),
        json!({"channels": "**", "set": {"/text": "set", "/card/by": {"\u{0}": 1e300}, "/0": []}}),
        json!({"channels": "**", "words": {"a": "a longer word", "b": "\u{0}\"\\\n"}}),
        schema(json!({"type": "string"})),
        schema(
            json!({"type": "object", "properties": {"text": {"type": "string", "maxLength": 5}}, "required": ["text"]}),
        ),
        schema(json!({"additionalProperties": false, "items": {"type": "string"}})),
        schema(json!({"propertyNames": {"pattern": "^(a|b|ab)*c$"}, "items": {"pattern": "^(a|b|ab)*c$"}})),
        schema(json!({"patternProperties": {"^(x+x+)+y": false, "[^a]": {"type": "null"}}, "uniqueItems": true})),
        schema(json!({"anyOf": [{"items": {"type": "null"}}, {"items": {"multipleOf": 0.01}}, {"type": "number"}]})),
        schema(each),
        json!({
            "channels": "**", "mask": ["/card"], "remove": ["/text"], "set": {"/at": 1}, "words": {"a": ""},
            "schema": {"maxProperties": 1, "unevaluatedProperties": false}
        }),
    ]
}

#[test]
fn every_message_gets_an_answer_from_every_rule() {
    for rule in rules() {
        let mut host = support::one(&rule);
        for (name, message) in messages() {
            assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(&message).is_ok(),
                "{name} is JSON"
            );
            assert!(message.len() <= MESSAGE_BYTES, "{name}: {} bytes", message.len());
            match host.publish(&support::ann(), "c", &message) {
                PublishVerdict::Abstain => {}
                PublishVerdict::Replace(data) => {
                    assert!(data.len() <= message.len() + GROWTH_BYTES, "{name} by {rule}");
                }
                PublishVerdict::Deny(denial) => {
                    let known = [(4413, "too_large"), (4422, "schema_violation")];
                    assert!(
                        known.contains(&(denial.code, &denial.reason)),
                        "{name} by {rule}: {denial:?}"
                    );
                    let told = denial.message.expect("words for a person");
                    assert!(
                        !told.is_empty() && !told.chars().any(text::is_hidden),
                        "{name} by {rule}: {told:?}"
                    );
                }
                other => panic!("{name} by {rule}: {other:?}"),
            }
        }
        for line in host.log_lines() {
            assert!(line.len() < 1_024 && !line.chars().any(text::is_hidden), "{line:?}");
        }
    }
}

#[test]
fn what_grows_too_much_is_the_clients_to_send_smaller() {
    let words = json!({"channels": "**", "words": {"a": "b".repeat(1_000)}});
    let set = json!({"channels": "**", "set": {"/a/x": "b".repeat(1_000)}});
    let grows = |count: usize| {
        [
            (&words, format!("\"{}\"", vec!["a"; count].join(" "))),
            (&set, format!("{{{}}}", vec![r#""a":{"x":1}"#; count].join(","))),
        ]
    };
    for (rule, message) in grows(100) {
        let denial = support::denied(support::one(rule).publish(&support::ann(), "c", &message));
        assert_eq!((denial.code, denial.reason.as_str()), (4413, "too_large"));
        assert!(denial.message.unwrap().contains("max_growth_bytes"));
        // The operator may allow more, and none.
        let bounded = |bytes: u32| json!({"rules": [rule], "max_growth_bytes": bytes});
        let mut host = support::Host::start(bounded(200_000)).unwrap();
        support::text(host.publish(&support::ann(), "c", &message));
        let mut host = support::Host::start(bounded(0)).unwrap();
        support::denied(host.publish(&support::ann(), "c", r#"{"a":{"x":"a"}}"#));
    }
    for (rule, message) in grows(60) {
        support::text(support::one(rule).publish(&support::ann(), "c", &message));
    }
}

#[test]
fn what_is_too_large_for_a_schema_is_not_checked() {
    let settings = |rule: Value| json!({"rules": [rule], "max_schema_bytes": 100, "max_schema_values": 10});
    let with_schema = settings(json!({"channels": "checked", "schema": {}}));
    let mut host = support::Host::start(with_schema).unwrap();
    for (message, setting) in [
        (format!("\"{}\"", "x".repeat(98)), None),
        (format!("\"{}\"", "x".repeat(99)), Some("max_schema_bytes")),
        ("[1,2,3,4,5,6,7,8,9]".to_owned(), None),
        ("[1,2,3,4,5,6,7,8,9,0]".to_owned(), Some("max_schema_values")),
    ] {
        let verdict = host.publish(&support::ann(), "checked", &message);
        match setting {
            None => assert_eq!(verdict, PublishVerdict::Abstain, "{message}"),
            Some(setting) => {
                let denial = support::denied(verdict);
                assert_eq!((denial.code, denial.reason.as_str()), (4413, "too_large"));
                assert!(denial.message.unwrap().contains(setting), "{message}");
                // Only where there is a schema.
                assert_eq!(host.publish(&support::ann(), "free", &message), PublishVerdict::Abstain);
            }
        }
    }
}
