//! Settings that cannot work are refused at the start, schemas judge messages.

mod support;

use serde_json::{Value, json};
use sluicegate_plugin::{PublishVerdict, Settings as _};
use support::{ann, denied, one, passes};
use transform::settings::Settings;

#[test]
fn rules_that_cannot_work_are_refused_at_the_start() {
    for (rule, words) in [
        (json!({"channels": "a:**:b"}), "rules[1].channels: `**`"),
        (json!({"channels": "inbox:{user}"}), "rules[1].channels"),
        (json!({"channels": "a", "mask": ["card"]}), "rules[1].mask: `card`"),
        (json!({"channels": "a", "remove": ["/a~"]}), "rules[1].remove: `/a~`"),
        (json!({"channels": "a", "remove": [""]}), "rules[1].remove"),
        (
            json!({"channels": "a", "set": {"/a": 1, "/a/b": 2}}),
            "rules[1].set: `/a/b`",
        ),
        (json!({"channels": "a", "set": {"": 1, "/a": 2}}), "rules[1].set"),
        (json!({"channels": "a", "words": {"--": "x"}}), "rules[1].words: `--`"),
        (
            json!({"channels": "a", "words": {"a": 1}}),
            "rules[1].words.a: must be text, not 1",
        ),
        (json!({"channels": "a", "schema": {"type": "strin"}}), "rules[1].schema"),
        (
            json!({"channels": "a", "schema": {"$ref": "https://x.example/s"}}),
            "rules[1].schema",
        ),
        // Both can take a time that grows much faster than the message.
        (
            json!({"channels": "a", "schema": {"pattern": "(?=a)a"}}),
            "rules[1].schema",
        ),
        (
            json!({"channels": "a", "schema": {"pattern": "(a)\\1"}}),
            "rules[1].schema",
        ),
        (json!({"channels": "a", "masks": []}), "unknown field `masks`"),
    ] {
        let settings = json!({"rules": [{"channels": "**"}, rule.clone()]});
        let refusal = support::Host::start(settings)
            .err()
            .unwrap_or_else(|| panic!("accepted: {rule}"));
        assert!(refusal.contains(words), "{rule}: {refusal}");
    }
}

#[test]
fn without_rules_everything_passes() {
    let mut host = support::Host::start(json!({})).unwrap();
    assert_eq!(host.publish(&ann(), "a", b"\xff"), PublishVerdict::Abstain);
}

fn schema() -> Value {
    json!({"channels": "**", "schema": {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 5}, "to": {"type": "integer"}},
        "required": ["text"],
        "additionalProperties": false
    }})
}

#[test]
fn a_message_that_breaks_the_schema_is_denied_with_the_first_violation() {
    for (data, words) in [
        (r#"{"text": 1}"#, "/text"),
        (r#"{"text": "123456"}"#, "/text"),
        ("{}", "required"),
        (r#"{"text":"a","more":1}"#, "more"),
        ("[]", "the message"),
    ] {
        let mut host = one(&schema());
        let denial = denied(host.publish(&ann(), "c", data));
        assert_eq!((denial.code, denial.reason.as_str()), (4422, "schema_violation"));
        let message = denial.message.unwrap();
        assert!(message.contains(words), "{data}: {message}");
        assert!(host.log_lines()[0].contains(&message), "{:?}", host.log_lines());
    }
}

#[test]
fn neither_log_nor_message_tells_the_values() {
    let mut host = one(&schema());
    let denial = denied(host.publish(&ann(), "c", r#"{"text": "my secret"}"#));
    assert!(!denial.message.unwrap().contains("secret"));
    assert!(!host.log_lines()[0].contains("secret"));
}

#[test]
fn a_message_that_fulfils_the_schema_passes_byte_for_byte() {
    assert!(passes(&schema(), "c", "{ \"text\" : \"h\\u0069\", \"to\": 1.0 }"));
}

#[test]
fn too_deep_for_the_schema_is_denied_not_a_crash() {
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    let denial = denied(one(&json!({"channels": "**", "schema": {}})).publish(&ann(), "c", deep));
    assert_eq!(denial.reason, "schema_violation");
}

#[test]
fn the_schema_of_the_settings_is_closed() {
    let schema: Value = serde_json::from_str(Settings::SCHEMA).unwrap();
    assert_eq!(schema["additionalProperties"], json!(false));
    let rule = &schema["$defs"]["RuleSettings"];
    for name in ["channels", "mask", "remove", "set", "words", "schema"] {
        assert!(!rule["properties"][name].is_null(), "{name}");
    }
    let bounds = transform::schema::SchemaBounds {
        bytes: 1_000_000,
        values: 1_000_000,
    };
    let check = transform::schema::Schema::check(&schema, bounds).unwrap();
    let sample = json!({"rules": [{"channels": "**", "mask": ["/card"], "set": {"/server": "acme"},
        "words": {"heck": "****"}, "schema": {"type": "object"}}]});
    assert_eq!(check.validate(&sample.to_string()), Ok(()));
    assert!(check.validate(r#"{"rules":[{"channels":"**","masks":[]}]}"#).is_err());
    let _ = support::Host::start(sample).unwrap();
}
