//! Who may do what where, as a session meets it.

mod support;

use authorize::{Authorize, settings::Settings};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluicegate_plugin::{
    Denial, Grant, PublishVerdict, Settings as _, SubscribeVerdict,
    testing::{Host, Session},
};
use support::start;

#[allow(clippy::needless_pass_by_value, reason = "reads well with json!")]
fn rules(rules: Value) -> Host<Authorize> {
    start(json!({"rules": rules}))
}

fn may_subscribe(host: &mut Host<Authorize>, session: &Session, channel: &str) -> bool {
    match host.subscribe(session, channel) {
        SubscribeVerdict::Allow(_) => true,
        SubscribeVerdict::Deny(denial) => {
            assert_eq!(denial, Denial::new(4403, "permission_denied"));
            false
        }
        SubscribeVerdict::Abstain => panic!("an authorizer has an opinion"),
    }
}

#[test]
fn rules_that_cannot_work_are_refused_at_the_start() {
    for (rule, words) in [
        (
            json!({"channels": "a:**:b", "allow": ["subscribe"]}),
            "rules[1].channels: `**`",
        ),
        (json!({"channels": "a:{usr}", "allow": ["subscribe"]}), "`{usr}`"),
        (json!({"channels": "a", "allow": []}), "rules[1].allow"),
        (
            json!({"channels": "a", "allow": ["read"]}),
            "rules[1].allow[0]: unknown variant `read`",
        ),
        (
            json!({"channels": "a", "allow": ["subscribe"], "when": {"a": []}}),
            "rules[1].when.a",
        ),
        (json!({"allow": ["subscribe"]}), "missing field `channels`"),
        (
            json!({"channels": "a", "allow": ["subscribe"], "if": {}}),
            "unknown field `if`",
        ),
    ] {
        let good = json!({"channels": "**", "allow": ["subscribe"]});
        let refusal = Host::<Authorize>::start(json!({"rules": [good, rule.clone()]}))
            .err()
            .unwrap();
        assert!(refusal.contains(words), "{rule}: {refusal}");
    }
}

#[test]
fn what_no_rule_allows_is_denied() {
    let ann = Session::of("ann");
    let mut none = rules(json!([]));
    assert!(!may_subscribe(&mut none, &ann, "room:1"));
    assert_eq!(
        none.publish(&ann, "room:1", "1"),
        Denial::new(4403, "permission_denied").into()
    );

    let mut publish_only = rules(json!([{"channels": "room:*", "allow": ["publish", "history", "presence"]}]));
    assert!(!may_subscribe(&mut publish_only, &ann, "room:1"));
    assert_eq!(publish_only.publish(&ann, "room:1", "1"), PublishVerdict::Allow);
    assert!(matches!(
        publish_only.publish(&ann, "room:1:2", "1"),
        PublishVerdict::Deny(_)
    ));

    let mut subscribe_only = rules(json!([{"channels": "room:*", "allow": ["subscribe"]}]));
    assert!(matches!(
        subscribe_only.publish(&ann, "room:1", "1"),
        PublishVerdict::Deny(_)
    ));
}

#[test]
fn a_grant_is_the_union_of_the_rules_that_fit() {
    let mut host = rules(json!([
        {"channels": "room:*", "allow": ["subscribe"]},
        {"channels": "room:**", "allow": ["history"]},
        {"channels": "**", "allow": ["presence"], "when": {"role": "guest"}},
        {"channels": "other", "allow": ["publish"]},
    ]));
    let ann = Session::of("ann").with_claims(&json!({"role": "member"}));
    let grant = Grant {
        history: true,
        ..Grant::default()
    };
    assert_eq!(host.subscribe(&ann, "room:1"), SubscribeVerdict::Allow(grant));
}

#[test]
fn a_grant_holds_nothing_that_no_rule_named() {
    let every = [("publish", 0), ("presence", 1), ("history", 2)];
    for (named, place) in every {
        let mut host = rules(json!([{"channels": "a", "allow": ["subscribe", named]}]));
        let SubscribeVerdict::Allow(grant) = host.subscribe(&Session::of("ann"), "a") else {
            panic!("not allowed")
        };
        let given = [grant.publish, grant.presence, grant.history];
        assert!((0..3).all(|at| given[at] == (at == place)), "{named}: {grant:?}");
    }
}

#[test]
fn a_user_reaches_only_his_own_segment() {
    let mut host = rules(json!([{"channels": "inbox:{user}:**", "allow": ["subscribe"]}]));
    let mut may = |user: &str, channel: &str| may_subscribe(&mut host, &Session::of(user), channel);
    assert!(may("ann", "inbox:ann:1"));
    assert!(!may("ann", "inbox:bob:1"));
    for user in ["*", "**", "ann:1", "a*", "{user}", ":", ""] {
        assert!(!may(user, "inbox:ann:1"), "{user}");
    }
    assert!(!may_subscribe(&mut host, &Session::anonymous(), "inbox::1"));
}

#[test]
fn a_claim_fills_a_segment_if_it_is_text_or_a_number() {
    let mut host = rules(json!([{"channels": "org:{claim:org}:*", "allow": ["subscribe"]}]));
    let mut may = |org: Value, channel: &str| {
        may_subscribe(
            &mut host,
            &Session::of("ann").with_claims(&json!({"org": org})),
            channel,
        )
    };
    assert!(may(json!("acme"), "org:acme:x"));
    assert!(may(json!(7), "org:7:x"));
    assert!(!may(json!("acme"), "org:other:x"));
    assert!(!may(json!("*"), "org:acme:x"));
    assert!(!may(json!("acme:x"), "org:acme:x"));
    for org in [json!(null), json!(true), json!(["acme"]), json!({"acme": 1}), json!("")] {
        assert!(!may(org, "org:acme:x"));
    }
    assert!(may(json!("a\"\\é"), "org:a\"\\é:x"));
}

#[test]
fn when_compares_values_and_looks_into_lists() {
    let mut host = rules(json!([
        {"channels": "t", "allow": ["subscribe"], "when": {"role": "admin"}},
        {"channels": "n", "allow": ["subscribe"], "when": {"level": 3}},
        {"channels": "b", "allow": ["subscribe"], "when": {"paid": true}},
        {"channels": "both", "allow": ["subscribe"], "when": {"role": "admin", "paid": true}},
    ]));
    let mut may =
        |claims: Value, channel: &str| may_subscribe(&mut host, &Session::of("ann").with_claims(&claims), channel);
    assert!(may(json!({"role": "admin"}), "t"));
    assert!(may(json!({"role": ["user", "admin"]}), "t"));
    assert!(may(json!({"level": 3}), "n") && may(json!({"level": 3.0}), "n"));
    assert!(may(json!({"paid": true}), "b"));
    assert!(may(json!({"paid": true, "role": "admin"}), "both"));
    for claims in [
        json!({}),
        json!({"role": "administrator"}),
        json!({"role": {"admin": true}}),
        json!({"role": [["admin"]]}),
        json!({"x": {"role": "admin"}}),
        json!({"role": null}),
    ] {
        assert!(!may(claims.clone(), "t"), "{claims}");
    }
    assert!(!may(json!({"level": "3"}), "n") && !may(json!({"level": 4}), "n"));
    assert!(!may(json!({"paid": "true"}), "b") && !may(json!({"paid": 1}), "b"));
    assert!(!may(json!({"role": "admin"}), "both") && !may(json!({"paid": true}), "both"));
}

#[test]
fn large_numbers_are_told_apart() {
    let mut host = rules(json!([{"channels": "n", "allow": ["subscribe"], "when": {"id": 9_007_199_254_740_993_u64}}]));
    let mut may = |text: &str| may_subscribe(&mut host, &Session::of("ann").with_claims_text(text), "n");
    assert!(may(r#"{"id":9007199254740993}"#));
    assert!(!may(r#"{"id":9007199254740992}"#));
}

#[test]
fn claims_are_read_as_other_readers_read_them() {
    let mut host = rules(json!([{"channels": "t", "allow": ["subscribe"], "when": {"role": "admin"}}]));
    let mut may = |text: &str| may_subscribe(&mut host, &Session::of("ann").with_claims_text(text), "t");
    assert!(may(r#"{"r\u006fle" : "adm\u0069n"}"#));
    assert!(!may(r#"{"role":"admin","role":"user"}"#));
    for broken in [
        "",
        "{",
        "[]",
        "\"admin\"",
        r#"{"role""#,
        r#"{"role":"#,
        r#"{"role":"admin"#,
    ] {
        assert!(!may(broken), "{broken}");
    }
}

#[test]
fn an_allowed_publish_is_reused_for_as_long_as_the_operator_says() {
    let ann = Session::of("ann");
    let rules = json!([{"channels": "a", "allow": ["subscribe", "publish"]}]);
    for (seconds, expected) in [(None, Some(60_000)), (Some(5), Some(5_000)), (Some(0), None)] {
        let mut settings = json!({ "rules": rules });
        if let Some(seconds) = seconds {
            settings["cache_seconds"] = json!(seconds);
        }
        let mut host = start(settings);
        host.publish(&ann, "a", "1");
        assert_eq!(host.cached_ms(), expected);
    }
}

#[test]
fn a_refusal_and_a_subscription_are_asked_about_every_time() {
    let ann = Session::of("ann");
    let mut host = start(json!({"rules": [{"channels": "a", "allow": ["subscribe", "publish"]}]}));
    host.publish(&ann, "b", "1");
    assert_eq!(host.cached_ms(), None);
    host.subscribe(&ann, "a");
    assert_eq!(host.cached_ms(), None);
}

#[test]
fn the_schema_names_every_setting_and_is_closed() {
    let schema: Value = serde_json::from_str(Settings::SCHEMA).unwrap();
    for name in [
        "keys",
        "issuer",
        "audience",
        "leeway_seconds",
        "require_exp",
        "cache_seconds",
        "rules",
    ] {
        assert!(schema["properties"][name].is_object(), "{name}");
    }
    assert_eq!(schema["additionalProperties"], json!(false));
}

proptest! {
    /// Whatever a user is called, his pattern opens no channel but the one with his name.
    #[test]
    fn no_name_opens_another_users_channel(user in "[ab:*{}\\\\\"]{0,6}", channel in "inbox:[ab:*{}]{0,6}") {
        let mut host = rules(json!([{"channels": "inbox:{user}", "allow": ["subscribe"]}]));
        let expected = !user.is_empty() && !user.contains(':') && channel == format!("inbox:{user}");
        prop_assert_eq!(may_subscribe(&mut host, &Session::of(&user), &channel), expected);
    }
}
