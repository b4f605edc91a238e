//! `refresh`, and what happens without it.

use crate::support::{json, shared, token};

fn until(user: &str, seconds: i64) -> String {
    token::with(&json!({ "sub": user, "exp": token::seconds(seconds) }))
}

#[tokio::test]
async fn a_new_token_moves_the_expiry() {
    let broker = shared().await;
    let mut ann = broker
        .dial("ann")
        .tenant("keyed")
        .token(&until("ann-refreshes", 100))
        .connect()
        .await;
    let expiry = token::seconds(5000);
    let token = token::with(&json!({ "sub": "ann-refreshes", "exp": expiry }));
    let ack = ann.ask("refresh", json!({ "token": token })).await;
    assert_eq!(ack["expires_at"], expiry * 1000);
}

#[tokio::test]
async fn an_expired_token_closes_with_4004_unless_it_was_refreshed() {
    let broker = shared().await;
    let dial = |name: &str| broker.dial(name).tenant("keyed").token(&until(name, 2));
    let mut careful = dial("careful").connect().await;
    careful.ask("refresh", json!({ "token": until("careful", 3600) })).await;
    let mut careless = dial("careless").connect().await;
    careless.expect_disconnect(4004, "token_expired", true).await;
    careful.still_works().await;
}

#[tokio::test]
async fn refresh_never_changes_who_the_user_is() {
    let broker = shared().await;
    let mut ann = broker.dial_as("ann-stays-ann").connect().await;
    ann.fails("refresh", json!({ "token": token::of("bob") }), 4403).await;
    ann.subscribe("room:still-ann").await.publish("hi").await;
    assert_eq!(ann.message().await["from"]["user"], "ann-stays-ann");
}

#[tokio::test]
async fn a_bad_token_is_an_error_and_the_session_stays() {
    let broker = shared().await;
    let mut ann = broker.dial_as("ann-refreshes-badly").connect().await;
    let user = "ann-refreshes-badly";
    ann.fails("refresh", json!({ "token": until(user, -100) }), 4410).await;
    ann.fails("refresh", json!({ "token": "garbage" }), 4401).await;
    let forged = token::hs256(b"another secret", &json!({ "alg": "HS256" }), &json!({ "sub": user }));
    ann.fails("refresh", json!({ "token": forged }), 4401).await;
    ann.subscribe("room:after-bad-refresh")
        .await
        .publish("hi")
        .await
        .expect_message("hi")
        .await;
}
