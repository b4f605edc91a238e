//! Refused calls: wrong keys, wrong tenants, bad requests.

use super::{broker, config, config_with};
use crate::support::admin::{KEY, key_table, request};
use crate::support::broker::run;
use crate::support::{Broker, Value, json};

const OTHER_KEY: &str = "sga_another-key-that-only-the-tests-know-99";

#[tokio::test]
async fn without_keys_in_the_config_nobody_may() {
    let broker = Broker::start(&config_with("", "")).await;
    let answer = broker.call("GET", "/tenants/acme", Value::Null).await;
    let problem = answer.problem(403, "no_keys");
    assert!(
        problem["detail"].as_str().unwrap().contains("[[admin.keys]]"),
        "{problem}"
    );
    request(broker.admin, "GET", "/openapi.json", None, b"").await.ok();
}

#[tokio::test]
async fn a_key_is_needed_and_has_to_be_known() {
    let broker = broker().await;
    let get = async |key| request(broker.admin, "GET", "/tenants/acme", key, b"").await;
    let answer = get(None).await;
    assert_eq!(
        answer.response.header("www-authenticate"),
        Some("Bearer realm=\"sluicegate\"")
    );
    answer.problem(401, "bad_key");
    let longer = format!("{KEY}x");
    for key in [OTHER_KEY, "", "short", &KEY[1..], &longer] {
        get(Some(key)).await.problem(401, "bad_key");
    }
    get(Some(KEY)).await.ok();
}

#[tokio::test]
async fn a_key_is_good_for_its_scopes_and_tenants_only() {
    let keys = key_table("reader", KEY, "scopes = [\"read\"]\ntenants = [\"acme\"]");
    let broker = Broker::start(&config_with("", &keys)).await;
    broker.read("/tenants/acme/channels").await;
    broker.read("/tenants/acme").await;
    let calls = [
        ("POST", "/tenants/acme/publish"),
        ("POST", "/tenants/acme/broadcast"),
        ("GET", "/tenants/acme/connections"),
        ("POST", "/tenants/acme/users/ann/disconnect"),
        ("POST", "/tenants/acme/sessions/none/disconnect"),
        ("POST", "/tenants/acme/users/ann/unsubscribe"),
        ("PUT", "/tenants/acme/users/ann/ban"),
        ("DELETE", "/tenants/acme/users/ann/ban"),
    ];
    for (method, path) in calls {
        broker
            .call(method, path, Value::Null)
            .await
            .problem(403, "missing_scope");
    }
    // The answer does not show whether the tenant exists.
    for tenant in ["other", "nobody"] {
        let answer = broker.call("GET", &format!("/tenants/{tenant}"), Value::Null).await;
        answer.problem(403, "other_tenant");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_so() {
    let broker = broker().await;
    broker
        .call("GET", "/tenants/nobody", Value::Null)
        .await
        .problem(404, "unknown_tenant");
    for path in ["", "/", "/tenants", "/tenants/acme/nothing", "/tenants/acme/publish/x"] {
        broker
            .call("GET", path, Value::Null)
            .await
            .problem(404, "unknown_route");
    }
    let answer = broker.call("PUT", "/tenants/acme/publish", Value::Null).await;
    assert_eq!(answer.response.header("allow"), Some("POST"));
    answer.problem(405, "method_not_allowed");
    let answer = broker.call("GET", "/tenants/acme/users/ann/ban", Value::Null).await;
    answer.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_told() {
    let broker = broker().await;
    let publish = async |body: &str| {
        let path = "/tenants/acme/publish";
        request(broker.admin, "POST", path, Some(KEY), body.as_bytes()).await
    };
    for body in ["{", "nope", "{\"channel\":\"c\",\"data\":}", "\u{0}"] {
        publish(body).await.problem(400, "bad_json");
    }
    let bodies = [
        "",
        "[]",
        "{}",
        r#"{"channel":"c"}"#,
        r#"{"channel":"a b","data":1}"#,
        r#"{"channel":"c","data":1,"dat":1}"#,
        r#"{"channel":"c","data":1,"key":""}"#,
        r#"{"channel":"c","data":1,"ephemeral":"yes"}"#,
    ];
    for body in bodies {
        publish(body).await.problem(422, "bad_body");
    }
    let unknown = publish(bodies[5]).await.problem(422, "bad_body");
    assert!(unknown["detail"].as_str().unwrap().contains("dat"), "{unknown}");
    let queries = ["limit=0", "limit=1001", "limit=x", "limt=1", "after=a&after=b"];
    for query in queries {
        let path = format!("/tenants/acme/channels?{query}");
        broker.call("GET", &path, Value::Null).await.problem(400, "bad_query");
    }
    for path in [
        "channels/a%20b/history",
        "channels/%FF/history",
        "channels/%0A/presence",
    ] {
        let path = format!("/tenants/acme/{path}");
        broker.call("GET", &path, Value::Null).await.problem(400, "bad_path");
    }
    let long = format!("/tenants/acme/users/{}/disconnect", "x".repeat(256));
    broker.call("POST", &long, Value::Null).await.problem(400, "bad_path");
}

#[tokio::test]
async fn keys_change_with_a_reload() {
    let broker = broker().await;
    let get = async |key| broker.call_as(key, "GET", "/tenants/acme", Value::Null).await;
    get(KEY).await.ok();
    get(OTHER_KEY).await.problem(401, "bad_key");
    let keys = key_table("new", OTHER_KEY, "scopes = [\"read\"]");
    broker.reload(&config_with("", &keys)).await;
    get(KEY).await.problem(401, "bad_key");
    get(OTHER_KEY).await.ok();
    // A config that is refused leaves them as they were.
    broker.reload(&config_with("", "[[admin.keys]]\nname = \"x\"")).await;
    get(OTHER_KEY).await.ok();
    broker.reload(&config("")).await;
    get(KEY).await.ok();
}

#[tokio::test]
async fn a_key_that_was_made_is_good() {
    let (code, out, log) = run(&["admin-key", "--name", "made", "--scopes", "read", "--tenants", "acme"]).await;
    assert_eq!(code, Some(0), "{log}");
    let key = out.lines().find(|line| line.starts_with("sga_")).expect("a key");
    let table = out.find("[[admin.keys]]").map(|at| &out[at..]).expect("a table");
    assert!(!table.contains(key), "the config does not have the key itself");
    let broker = Broker::start(&config_with("", table)).await;
    broker.call_as(key, "GET", "/tenants/acme", Value::Null).await.ok();
    let body = json!({ "channel": "c", "data": 1 });
    broker
        .call_as(key, "POST", "/tenants/acme/publish", body)
        .await
        .problem(403, "missing_scope");
}

#[tokio::test]
async fn the_api_is_not_on_the_clients_listener() {
    let broker = broker().await;
    let response = crate::support::http::get(broker.address, "/api/v1/openapi.json").await;
    assert_eq!(response.status, 404);
}
