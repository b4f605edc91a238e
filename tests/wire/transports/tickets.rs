//! Tickets: what a URL may have instead of a token.

use serde_json::{Value, json};

use crate::support::http::Response;
use crate::support::http_client::{EventReader, Poller, connect, post};
use crate::support::{Broker, shared, token};

async fn ticket_for(broker: &Broker, tenant: &str, token: &str) -> Response {
    let bearer = format!("Bearer {token}");
    post(
        broker.address,
        &format!("/t/{tenant}/ticket"),
        &[("authorization", &bearer)],
        "",
    )
    .await
}

async fn ticket(broker: &Broker, user: &str) -> String {
    let response = ticket_for(broker, "keyed", &token::of(user)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(answer["expires_in_ms"], 30_000);
    answer["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_ticket_opens_one_stream_and_resumes_it() {
    let broker = shared().await;
    let query = format!("channels=room:ticket&ticket={}", ticket(&broker, "ann").await);
    let ann = EventReader::open(broker.address, Some("keyed"), &query, &[]).await;
    assert_eq!(ann.welcome["user"], "ann");
    let id = ann.last_id.clone().unwrap();
    drop(ann);
    for (headers, status) in [
        (vec![], 401),
        (vec![("last-event-id", "garbage")], 401),
        (vec![("last-event-id", id.as_str())], 200),
        (vec![("last-event-id", id.as_str())], 200),
        (vec![], 401),
    ] {
        let reader = EventReader::ask(broker.address, Some("keyed"), &query, &headers).await;
        assert_eq!(reader.head.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_stream_without_history_resumes_too() {
    let broker = shared().await;
    let query = format!("channels=quiet:ticket&ticket={}", ticket(&broker, "ann").await);
    let ann = EventReader::open(broker.address, Some("keyed"), &query, &[]).await;
    let id = ann.last_id.clone().expect("browsers come back with it");
    let again = EventReader::ask(broker.address, Some("keyed"), &query, &[("last-event-id", &id)]).await;
    assert_eq!(again.head.status, 200);
}

#[tokio::test]
async fn a_ticket_opens_one_websocket() {
    let broker = shared().await;
    let ticket = ticket(&broker, "ann").await;
    let path = format!("/t/keyed/ws?ticket={ticket}");
    let ann = broker.dial("ann").path(&path).connect().await;
    assert_eq!(ann.welcome["user"], "ann");
    assert_eq!(broker.dial("ann").path(&path).refused().await.status, 401);
    let query = format!("channels=room:x&ticket={ticket}");
    let reader = EventReader::ask(broker.address, Some("keyed"), &query, &[("last-event-id", "~")]).await;
    assert_eq!(reader.head.status, 401, "a WebSocket's ticket resumes nothing");
}

#[tokio::test]
async fn no_ticket_is_given_for_what_is_no_token() {
    let broker = shared().await;
    let late = token::with(&json!({ "sub": "ann", "exp": token::seconds(-60) }));
    for token in ["", "nonsense", &late] {
        assert_eq!(ticket_for(&broker, "keyed", token).await.status, 401, "{token:?}");
    }
    let response = post(broker.address, "/t/keyed/ticket", &[], "").await;
    assert_eq!(response.status, 401);
}

#[tokio::test]
async fn a_ticket_is_of_its_tenant() {
    let broker = shared().await;
    let ticket = ticket(&broker, "ann").await;
    let other = EventReader::ask(
        broker.address,
        Some("open"),
        &format!("channels=a&ticket={ticket}"),
        &[],
    )
    .await;
    assert_eq!(other.head.status, 401);
    let own = EventReader::ask(
        broker.address,
        Some("keyed"),
        &format!("channels=room:a&ticket={ticket}"),
        &[],
    )
    .await;
    assert_eq!(own.head.status, 200, "the try of another tenant did not spend it");
}

#[tokio::test]
async fn a_token_in_the_query_is_none() {
    let broker = shared().await;
    let token = token::of("ann");
    for name in ["token", "access_token", "bearer"] {
        let query = format!("channels=room:x&{name}={token}");
        let reader = EventReader::ask(broker.address, Some("keyed"), &query, &[]).await;
        assert_eq!(reader.head.status, 401, "{name}");
    }
    let poller = Poller::of(broker.address, "keyed");
    let response = poller
        .raw(&[], &json!({ "token": token, "requests": [connect(&[])] }))
        .await;
    assert!(response.body.contains("4401"), "{}", response.body);
}

#[tokio::test]
async fn a_ticket_counts_before_a_cookie() {
    let broker = Broker::start(&format!(
        r#"
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [[tenants]]
        name = "keyed"
        token_cookie = "sluice_token"
        allowed_origins = ["https://acme.example"]
        chain = [{{ plugin = "authorize", deadline_ms = 200, config = {{ keys = [{{ alg = "HS256", secret = "{}" }}] }} }}]
        "#,
        token::SECRET
    ))
    .await;
    let cookie = format!("sluice_token={}", token::of("cookie"));
    let ticket_of_ann = ticket(&broker, "ann").await;
    let path = format!("/t/keyed/ws?ticket={ticket_of_ann}");
    let dial = broker.dial("ann").path(&path).header("Cookie", &cookie);
    let ann = dial.header("Origin", "https://acme.example").connect().await;
    assert_eq!(ann.welcome["user"], "ann");
    let query = format!("channels=&ticket={}", ticket(&broker, "bob").await);
    let headers = [("cookie", cookie.as_str()), ("origin", "https://acme.example")];
    let bob = EventReader::open(broker.address, Some("keyed"), &query, &headers).await;
    assert_eq!(bob.welcome["user"], "bob");
}
