//! Tokens that are revoked: no session begins or goes on with them, until the revocation may be forgotten.

use super::{broker, config, config_with};
use crate::support::admin::{full_key, key_table};
use crate::support::{Broker, Client, Value, json, token};

const REVOCATIONS: &str = "/tenants/acme/revocations";

fn token_of(user: &str, jti: &str, iat: i64) -> String {
    token::with(&json!({ "sub": user, "jti": jti, "iat": token::seconds(iat), "exp": token::seconds(3600) }))
}

async fn connect(broker: &Broker, token: &str) -> Client {
    broker.dial("somebody").token(token).connect().await
}

/// What is revoked is refused as a token that does not verify.
async fn is_refused(broker: &Broker, token: &str) {
    let (error, mut client) = broker.dial("somebody").token(token).connect_refused(4401).await;
    assert_eq!(error["reason"], "not_authenticated", "{error}");
    client.expect_close(4502).await;
}

#[tokio::test]
async fn a_revoked_token_ends_its_sessions_and_begins_none() {
    let broker = broker().await;
    let (stolen, kept) = (token_of("ann", "stolen", -60), token_of("ann", "kept", -60));
    let mut sessions = [connect(&broker, &stolen).await, connect(&broker, &stolen).await];
    let mut other = connect(&broker, &kept).await;
    let until = token::seconds(3600);
    let done = broker
        .order(
            REVOCATIONS,
            json!({ "jti": "stolen", "until": until, "reason": "lost phone" }),
        )
        .await;
    assert_eq!((&done["affected"], &done["until"]), (&json!(2), &json!(until)));
    for session in &mut sessions {
        session.expect_disconnect(4502, "not_authenticated", false).await;
    }
    is_refused(&broker, &stolen).await;
    other.still_works().await;
    // Another token of the same user, and who has none of them.
    connect(&broker, &token_of("ann", "new", 0)).await.still_works().await;
    broker.user("ann").await.still_works().await;
    // Nor does a session go on with it.
    let error = other.fails("refresh", json!({ "token": stolen }), 4401).await;
    assert_eq!(error["code"], 4401);
    other.still_works().await;
    other
        .ask("refresh", json!({ "token": token_of("ann", "third", 0) }))
        .await;
    let again = broker
        .order(REVOCATIONS, json!({ "jti": "third", "until": until }))
        .await;
    assert_eq!(again["affected"], 1, "it is found by the token of its refresh");
    other.expect_disconnect(4502, "not_authenticated", false).await;
    let metrics = broker.metrics().await;
    for (what, count) in [("refused", 2.0), ("ended", 3.0)] {
        let labels = [("tenant", "acme"), ("what", what)];
        assert_eq!(
            metrics.sum("sluicegate_tenant_revocations_total", &labels),
            Some(count),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_user_is_revoked_for_tokens_of_before_and_for_those_that_do_not_say() {
    let broker = broker().await;
    let old = token_of("ann", "old", -60);
    let undated = token::with(&json!({ "sub": "ann", "exp": token::seconds(3600) }));
    let fraction = token::with(&json!({ "sub": "ann", "iat": 1_700_000_000.5, "exp": token::seconds(3600) }));
    let later = token::with(&json!({ "sub": "ann", "iat": token::seconds(10), "exp": token::seconds(3600) }));
    let bob = token_of("bob", "old", -60);
    let mut ended = Vec::new();
    for token in [&old, &undated, &fraction] {
        ended.push(connect(&broker, token).await);
    }
    let mut stay = [connect(&broker, &later).await, connect(&broker, &bob).await];
    let done = broker.order(REVOCATIONS, json!({ "user": "ann" })).await;
    assert_eq!(done["affected"], 3);
    for session in &mut ended {
        session.expect_disconnect(4502, "not_authenticated", false).await;
    }
    for token in [&old, &undated, &fraction] {
        is_refused(&broker, token).await;
    }
    for session in &mut stay {
        session.still_works().await;
    }
    connect(&broker, &later).await.still_works().await;
    let error = stay[0].fails("refresh", json!({ "token": old }), 4401).await;
    assert_eq!(error["code"], 4401);
    // Without `until` it is remembered for a year.
    let year = token::seconds(365 * 24 * 3600);
    assert!(done["until"].as_i64().unwrap().abs_diff(year) <= 60, "{done}");
}

#[tokio::test]
async fn what_is_revoked_is_listed_and_taken_back_and_twice_is_once() {
    let broker = broker().await;
    let names = ["a", "b/c d", "räume", "e"];
    for (n, jti) in (0..).zip(names) {
        let until = token::seconds(1000 * (4 - n));
        for _ in 0..2 {
            broker.order(REVOCATIONS, json!({ "jti": jti, "until": until })).await;
        }
    }
    let until = token::seconds(5000);
    let user = broker
        .order(REVOCATIONS, json!({ "user": "ann", "until": until }))
        .await;
    let (mut next, mut listed) = (String::new(), Vec::new());
    loop {
        let page = broker.read(&format!("{REVOCATIONS}?limit=2{next}")).await;
        listed.extend(page["revocations"].as_array().unwrap().clone());
        let Some(after) = page["next"].as_str() else { break };
        let encoded: Vec<_> = after.bytes().map(|byte| format!("%{byte:02X}")).collect();
        next = format!("&after={}", encoded.concat());
    }
    let jtis: Vec<_> = listed.iter().filter_map(|entry| entry["jti"].as_str()).collect();
    assert_eq!(jtis, ["e", "räume", "b/c d", "a"], "by their ends");
    assert_eq!(listed[4], json!({ "id": user["id"], "user": "ann", "until": until }));
    assert_eq!(
        broker.read("/tenants/other/revocations").await["revocations"],
        json!([])
    );
    assert_eq!(broker.read("/tenants/acme/bans").await["bans"], json!([]));
    let stolen = token_of("bob", "b/c d", 0);
    is_refused(&broker, &stolen).await;
    for entry in &listed {
        let path = format!("{REVOCATIONS}/{}", entry["id"].as_str().unwrap());
        for affected in [1, 0] {
            let done = broker.call("DELETE", &path, Value::Null).await.ok();
            assert_eq!(done["affected"], affected, "{entry}");
        }
    }
    assert_eq!(broker.read(REVOCATIONS).await["revocations"], json!([]));
    connect(&broker, &stolen).await.still_works().await;
    connect(&broker, &token_of("ann", "e", -60)).await.still_works().await;
}

#[tokio::test]
async fn what_revokes_nothing_is_refused() {
    let broker = broker().await;
    let (soon, past, far) = (token::seconds(60), token::seconds(-1), token::seconds(366 * 24 * 3600));
    let one_of = "exactly one of \"jti\", \"user\"";
    let cases = [
        (json!({}), one_of),
        (json!({ "until": soon }), one_of),
        (json!({ "jti": "a", "user": "ann" }), one_of),
        (json!({ "jti": "" }), "\"jti\": must be 1 to 255 bytes"),
        (json!({ "jti": "x".repeat(256) }), "\"jti\": must be 1 to 255 bytes"),
        (json!({ "jti": "€".repeat(86) }), "\"jti\": must be 1 to 255 bytes"),
        (json!({ "jti": 17 }), "\"jti\": must be 1 to 255 bytes"),
        (json!({ "jti": null }), "\"jti\": must be 1 to 255 bytes"),
        (json!({ "user": "" }), "\"user\": must be 1 to 255 bytes"),
        (json!({ "user": "x".repeat(256) }), "\"user\": must be 1 to 255 bytes"),
        (json!({ "jti": "a", "until": past }), "which has passed"),
        (
            json!({ "jti": "a", "until": 0 }),
            "\"until\": must be a Unix time in seconds",
        ),
        (
            json!({ "jti": "a", "until": -1 }),
            "\"until\": must be a Unix time in seconds",
        ),
        (
            json!({ "jti": "a", "until": 1.5 }),
            "\"until\": must be a Unix time in seconds",
        ),
        (
            json!({ "jti": "a", "until": "soon" }),
            "\"until\": must be a Unix time in seconds",
        ),
        (
            json!({ "jti": "a", "until": soon * 1000 }),
            "which looks like milliseconds",
        ),
        (json!({ "jti": "a", "until": far }), "which is too far away"),
        (json!({ "jti": "a", "til": soon }), "\"til\": is not known"),
        (json!({ "jti": "a", "reason": "x".repeat(1025) }), "\"reason\""),
    ];
    for (body, detail) in cases {
        let problem = broker
            .call("POST", REVOCATIONS, body.clone())
            .await
            .problem(422, "bad_body");
        assert!(
            problem["detail"].as_str().unwrap().contains(detail),
            "{body}: {problem}"
        );
    }
    for id in ["x", "j", "j6", "jzz", "k61", "a", "J61"] {
        let path = format!("{REVOCATIONS}/{id}");
        broker.call("DELETE", &path, Value::Null).await.problem(400, "bad_path");
    }
    // An id that there may be, of what there cannot be.
    let nothing = broker
        .call("DELETE", &format!("{REVOCATIONS}/jff"), Value::Null)
        .await
        .ok();
    assert_eq!(nothing["affected"], 0);
    for after in ["x", "o1u:ann", "p1j:a", "1795326349120"] {
        let path = format!("{REVOCATIONS}?after={after}");
        broker.call("GET", &path, Value::Null).await.problem(400, "bad_query");
    }
    let nobody = broker
        .call("POST", "/tenants/nobody/revocations", json!({ "jti": "a" }))
        .await;
    nobody.problem(404, "unknown_tenant");
    assert_eq!(broker.read(REVOCATIONS).await["revocations"], json!([]));
}

#[tokio::test]
async fn who_may_ban_may_revoke_and_nobody_else() {
    let reader = "a-key-that-may-not-ban-0123456789abcdef";
    let keys = [
        full_key(),
        key_table(
            "reader",
            reader,
            r#"scopes = ["publish", "read", "connections", "tenants"]"#,
        ),
    ]
    .concat();
    let broker = Broker::start(&config_with("", &keys)).await;
    for (method, path, body) in [
        ("POST", REVOCATIONS.to_owned(), json!({ "jti": "a" })),
        ("GET", REVOCATIONS.to_owned(), Value::Null),
        ("DELETE", format!("{REVOCATIONS}/j61"), Value::Null),
    ] {
        broker
            .call_as(reader, method, &path, body)
            .await
            .problem(403, "missing_scope");
    }
}

#[tokio::test]
async fn a_tenant_has_as_many_revocations_as_its_limit_and_a_reload_raises_it() {
    let limited = |n: u32| config("").replacen("[tenants.limits]", &format!("[tenants.limits]\nrevocations = {n}"), 1);
    let broker = Broker::start(&limited(3)).await;
    let revoke = async |jti: &str| broker.call("POST", REVOCATIONS, json!({ "jti": jti })).await;
    for jti in ["a", "b", "c", "a"] {
        revoke(jti).await.ok();
    }
    let problem = revoke("d").await.problem(409, "too_many_revocations");
    assert!(
        problem["detail"].as_str().unwrap().contains("limits.revocations"),
        "{problem}"
    );
    let metrics = broker.metrics().await;
    let full = metrics.sum(
        "sluicegate_tenant_revocations_total",
        &[("tenant", "acme"), ("what", "full")],
    );
    assert_eq!(full, Some(1.0));
    // Bans are counted apart.
    let ban = broker
        .call("PUT", "/tenants/acme/users/eve/ban", json!({ "seconds": 60 }))
        .await;
    ban.ok();
    connect(&broker, &token_of("ann", "d", 0)).await.still_works().await;
    broker.reload(&limited(4)).await;
    revoke("d").await.ok();
    is_refused(&broker, &token_of("ann", "d", 0)).await;
    is_refused(&broker, &token_of("ann", "a", 0)).await;
}

#[tokio::test]
async fn the_audit_log_says_what_was_revoked() {
    let broker = Broker::start(&config("audit_log = \"audit.jsonl\"")).await;
    let until = token::seconds(60);
    let body = json!({ "jti": "stolen", "until": until, "reason": "lost phone" });
    broker.order(REVOCATIONS, body.clone()).await;
    let lines = broker.audit("audit.jsonl");
    assert_eq!(
        (&lines[0]["event"], &lines[1]["event"]),
        (&json!("intent"), &json!("call"))
    );
    assert_eq!(lines[1]["route"], "/tenants/{tenant}/revocations");
    assert_eq!(lines[1]["params"], body);
}
