//! `abuse_filter`: bursts, repeats, content, strikes and bans.

use crate::support::config::abuse_filter;
use crate::support::{Broker, Client, PATIENCE, Value, json, token};

async fn broker(settings: &str) -> Broker {
    Broker::start(&abuse_filter(settings)).await
}

async fn connect(broker: &Broker, user: &str) -> Client {
    let mut client = broker.dial(user).token(&token::of(user)).connect().await;
    client.subscribe("c").await;
    client
}

async fn refused(client: &mut Client, data: Value, codes: &[u16]) -> Value {
    let id = client.send("publish", json!({ "channel": "c", "data": data })).await;
    let reply = client.reply(&id).await;
    let error = &reply["payload"];
    let code = error["code"].as_u64().unwrap_or_default();
    let is_right = reply.kind() == "error" && codes.iter().any(|c| u64::from(*c) == code);
    assert!(is_right, "expected one of {codes:?}, got {}", reply.text);
    assert_eq!(error["plugin"], "abuse", "{}", reply.text);
    error.clone()
}

#[tokio::test]
async fn a_burst_is_stopped_with_the_time_to_wait() {
    let broker = broker("per_user = { rate = 2, burst = 3 }").await;
    let mut ann = connect(&broker, "ann").await;
    let mut bob = connect(&broker, "bob").await;
    for n in 0..3 {
        ann.publish(n).await;
    }
    let error = refused(&mut ann, json!("too much"), &[4429]).await;
    let wait = error["retry_after_ms"].as_u64().expect("retry_after_ms");
    assert!((1..=500).contains(&wait), "at two a second: {error}");
    assert_eq!(error["retry"], true);
    bob.publish("bob's own").await;
    ann.expect_messages([json!(0), json!(1), json!(2), json!("bob's own")])
        .await;

    let again = async {
        loop {
            let id = ann.send("publish", json!({ "channel": "c", "data": "later" })).await;
            if ann.reply(&id).await.kind() == "ack" {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again)
        .await
        .expect("after a while one may again");
}

#[tokio::test]
async fn the_rate_is_the_users_not_the_connections() {
    let broker = broker("per_user = { rate = 1, burst = 2 }").await;
    let mut phone = connect(&broker, "ann").await;
    let mut laptop = connect(&broker, "ann").await;
    phone.publish(1).await;
    laptop.publish(2).await;
    refused(&mut phone, json!(3), &[4429]).await;
    refused(&mut laptop, json!(3), &[4429]).await;
}

#[tokio::test]
async fn repeats_are_stopped() {
    let broker = broker("duplicates = { window_seconds = 30, max = 3 }").await;
    let mut ann = connect(&broker, "ann").await;
    for _ in 0..3 {
        ann.publish("same").await.expect_message("same").await;
    }
    refused(&mut ann, json!("same"), &[4422, 4429]).await;
    ann.publish("other").await.expect_message("other").await;
    let mut bob = connect(&broker, "bob").await;
    bob.publish("same").await.expect_message("same").await;
}

#[tokio::test]
async fn links_words_and_size_are_bounded() {
    let settings = r#"links_per_message = 2, blocked_words = ["casino"], max_payload_bytes = 200"#;
    let broker = broker(settings).await;
    let mut ann = connect(&broker, "ann").await;
    let links = |n: usize| json!({ "text": "see https://x.example/a ".repeat(n) });
    ann.publish(links(2)).await.expect_message(links(2)).await;
    refused(&mut ann, links(3), &[4422]).await;
    refused(&mut ann, json!({ "text": "best CASINO in town" }), &[4422]).await;
    refused(&mut ann, json!("x".repeat(199)), &[4422, 4413]).await;
    ann.publish("x".repeat(198)).await;
}

#[tokio::test]
async fn discard_tells_the_publisher_nothing() {
    let broker = broker(r#"blocked_words = ["casino"], action = "discard""#).await;
    let mut ann = connect(&broker, "ann").await;
    let mut bob = connect(&broker, "bob").await;
    ann.publish("casino").await.publish("fence").await;
    ann.expect_message("fence").await;
    bob.expect_message("fence").await;
}

const STRIKES: &str = r#"
    blocked_words = ["casino"],
    strikes = { window_seconds = 60, disconnect_at = 2, ban_at = 3, ban_seconds = 300 }
"#;

#[tokio::test]
async fn strikes_disconnect_and_then_ban() {
    let broker = broker(&STRIKES.replace('\n', " ")).await;
    let mut bob = connect(&broker, "bob").await;
    let mut ann = connect(&broker, "ann").await;
    refused(&mut ann, json!("casino"), &[4422]).await;
    ann.publish("one strike is none")
        .await
        .expect_message("one strike is none")
        .await;
    refused(&mut ann, json!("casino again"), &[4422]).await;
    ann.expect_disconnect(4504, "kicked", false).await;

    let mut ann = connect(&broker, "ann").await;
    refused(&mut ann, json!("casino, third"), &[4422, 4451]).await;
    ann.expect_disconnect(4505, "banned", false).await;

    for _ in 0..2 {
        let (error, mut ann) = broker.dial("ann").token(&token::of("ann")).connect_refused(4451).await;
        assert_eq!(error["retry"], false, "{error}");
        ann.expect_close(4505).await;
    }
    bob.expect_message("one strike is none").await;
    bob.publish("bob is well").await.expect_message("bob is well").await;
    connect(&broker, "carl").await.publish("so is carl").await;
}

#[tokio::test]
async fn a_ban_ends() {
    let settings = STRIKES
        .replace('\n', " ")
        .replace("ban_seconds = 300", "ban_seconds = 1");
    let broker = broker(&settings.replace("disconnect_at = 2, ban_at = 3", "disconnect_at = 1, ban_at = 1")).await;
    let mut ann = connect(&broker, "ann").await;
    refused(&mut ann, json!("casino"), &[4422, 4451]).await;
    ann.expect_close(4505).await;
    let dial = broker.dial("ann").token(&token::of("ann"));
    let coming_back = async {
        loop {
            let mut ann = dial.open().await;
            let id = ann.send("connect", dial.payload()).await;
            if ann.reply(&id).await.kind() == "ack" {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, coming_back)
        .await
        .expect("one second passes");
}
