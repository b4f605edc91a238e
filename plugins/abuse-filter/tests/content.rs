//! Messages that offend by what they say, and what tries to look as if it did not.

mod support;

use serde_json::json;
use sluicegate_plugin::{PublishVerdict, testing::Session};
use support::{passes, refused, start};

#[test]
fn what_is_not_text_is_refused() {
    let mut host = start(json!({"blocked_words": ["heck"]}));
    let denial = support::denied(host.publish(&Session::of("ann"), "c", b"\"\xff\""));
    assert_eq!((denial.code, denial.reason.as_str()), (4422, "not_text"));
}

#[test]
fn blocked_words_are_found_wherever_they_stand() {
    let mut host = start(json!({"blocked_words": ["heck", "buy now", "größe"]}));
    for data in [
        r#""heck""#,
        r#"{"text":"What the HECK?"}"#,
        r#"{"a":[{"b":["x",{"c":"heck"}]}]}"#,
        r#"{"heck":1}"#,
        r#"{"a":{"x heck":null}}"#,
        r#""\u0068eck""#,
        r#""\u0048\u0045\u0043\u004b""#,
        r#"{"\u0068eck":1}"#,
        "\"he\u{200b}ck\"",
        r#""hec\u212a""#,
        "\"hec\u{212a}\"",
        r#""\nheck\n""#,
        r#""Buy Now!""#,
        r#""GRÖSSE""#,
    ] {
        assert_eq!(refused(&mut host, data), (4422, "blocked_word".into()), "{data}");
    }
    for data in [
        r#""checkered hecks""#,
        r#""buy nowhere""#,
        "null",
        r#""heckle""#,
        r#"["buy","now"]"#,
    ] {
        assert!(passes(&mut host, data), "{data}");
    }
    // A word is looked for in strings: `true` the word is not `true` the value.
    let mut host = start(json!({"blocked_words": ["true", "12"]}));
    assert!(passes(&mut host, r#"{"a":true,"b":12}"#));
    assert!(!passes(&mut host, r#"{"a":"true"}"#));
}

#[test]
fn the_refusal_does_not_say_which_word() {
    let mut host = start(json!({"blocked_words": ["heck"]}));
    let denial = support::denied(host.publish(&Session::of("ann"), "c", "\"heck\""));
    assert!(!denial.message.unwrap().contains("heck"));
}

#[test]
fn links_are_counted_in_whatever_writing() {
    let mut host = start(json!({"links_per_message": 1}));
    for data in [
        r#""http://a.b https://c.d""#,
        r#"{"a":"http://a.b","b":["HTTPS://c.d"]}"#,
        r#""http:\/\/a.b www.c.d""#,
        r#""\u0068ttp://a.b http\u003a//c.d""#,
        r#""www.a.b,www.c.d""#,
        r#""WWW.a.b ftp://c""#,
        r#"{"http://a.b":"http://c.d"}"#,
        r#""http:\/\/a.b https:\/\/c.d""#,
        r#""\u0077ww.a.b \u0077\u0077\u0077.c.d""#,
        r#""http:\u002f\u002fa https:\u002f\u002fb""#,
    ] {
        assert_eq!(refused(&mut host, data), (4422, "too_many_links".into()), "{data}");
    }
    for data in [
        r#""http://a.b""#,
        r#""http://www.a.b""#,
        r#""http://a.b and/or // comment""#,
        r#""awww.that is nice, ewww.""#,
        r#""äwww.a http://b äwww.c""#,
        r#"":// :// http://a""#,
        r#"{"a":1}"#,
    ] {
        assert!(passes(&mut host, data), "{data}");
    }
    assert!(!passes(
        &mut start(json!({"links_per_message": 0})),
        r#""see https://a.b""#
    ));
    assert!(passes(
        &mut start(json!({})),
        r#""http://a.b http://c.d http://e.f http://g.h""#
    ));
}

#[test]
fn a_message_has_at_most_so_many_bytes() {
    let mut host = start(json!({"max_payload_bytes": 8}));
    assert!(passes(&mut host, r#""123456""#));
    assert_eq!(refused(&mut host, r#""1234567""#), (4422, "payload_too_large".into()));
}

#[test]
fn an_offender_can_be_discarded_in_silence() {
    let mut host = start(json!({"action": "discard", "blocked_words": ["heck"], "max_payload_bytes": 20}));
    let ann = Session::of("ann");
    assert_eq!(host.publish(&ann, "c", "\"heck\""), PublishVerdict::Discard);
    assert_eq!(
        host.publish(&ann, "c", "\"a text of more than twenty\""),
        PublishVerdict::Discard
    );
    assert_eq!(host.publish(&ann, "c", "\"fine\""), PublishVerdict::Abstain);
}

#[test]
fn no_setting_looks_at_nothing() {
    let mut host = start(json!({}));
    assert_eq!(
        host.publish(&Session::anonymous(), "c", b"\xff"),
        PublishVerdict::Abstain
    );
    assert!(host.kv_keys().is_empty());
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    for (settings, words) in [
        (json!({"per_user": {"rate": 0, "burst": 1}}), "per_user.rate"),
        (json!({"per_user": {"rate": -1, "burst": 1}}), "per_user.rate"),
        (json!({"per_user": {"rate": 1, "burst": 0}}), "per_user.burst"),
        (json!({"per_user": {"rate": 1}}), "missing field `burst`"),
        (
            json!({"per_user": {"rate": 1, "burst": 1, "bust": 1}}),
            "unknown field `bust`",
        ),
        (json!({"duplicates": {"max": 0}}), "duplicates"),
        (json!({"duplicates": {"window_seconds": 0}}), "duplicates"),
        (json!({"blocked_words": ["ok", "--"]}), "blocked_words: `--`"),
        (json!({"action": "drop"}), "action: unknown variant `drop`"),
        (json!({"strikes": {"window_seconds": 0}}), "strikes.window_seconds"),
        (json!({"strikes": {"ban_seconds": 0}}), "strikes.ban_seconds"),
        (json!({"max_payload_bytes": -1}), "max_payload_bytes"),
        (json!({"channels": []}), "channels: at least one"),
        (json!({"channels": ["a:**:b"]}), "channels: "),
        (
            json!({"channels": ["private:{user}"]}),
            "channels: this plugin fills nothing",
        ),
        (json!({"link_per_message": 3}), "unknown field `link_per_message`"),
    ] {
        let refusal = support::refusal(settings.clone());
        assert!(refusal.contains(words), "{settings}: {refusal}");
    }
}
