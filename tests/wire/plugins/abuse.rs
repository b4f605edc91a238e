//! `abuse_filter`: bursts, repeats, content, strikes and bans.

use crate::support::admin::full_key;
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

/// A broker whose clients need no token, and whose operator may ban.
async fn open_broker(settings: &str) -> Broker {
    let open = abuse_filter(settings).replace("default = \"allow\"", "default = \"allow\"\nanonymous = true");
    Broker::start(&format!("{open}\n{}", full_key())).await
}

const AT_ONCE: &str = r#"blocked_words = ["casino"], strikes = { disconnect_at = 0, ban_at = 1, ban_seconds = 300 }"#;

#[tokio::test]
async fn the_operator_sees_and_lifts_what_the_filter_banned() {
    let broker = open_broker(AT_ONCE).await;
    let mut ann = connect(&broker, "ann").await;
    refused(&mut ann, json!("casino"), &[4422, 4451]).await;
    ann.expect_close(4505).await;
    let dial = broker.dial("ann").token(&token::of("ann"));
    dial.connect_refused(4451).await.1.expect_close(4505).await;
    let listed = broker.read("/tenants/t/bans").await;
    let ban = &listed["bans"][0];
    assert_eq!(
        (&ban["user"], &ban["by"]),
        (&json!("ann"), &json!("plugin")),
        "{listed}"
    );
    let path = "/tenants/t/users/ann/ban";
    assert_eq!(broker.call("DELETE", path, Value::Null).await.ok()["affected"], 1);
    dial.connect().await.still_works().await;
    assert_eq!(broker.read("/tenants/t/bans").await["bans"], json!([]));
}

#[tokio::test]
async fn who_has_no_user_is_banned_by_address_and_nobody_else_from_there() {
    let broker = open_broker(AT_ONCE).await;
    let mut ann = connect(&broker, "ann").await;
    let mut other_guest = broker.connect("another guest").await;
    let mut guest = broker.connect("guest").await;
    refused(&mut guest, json!("casino"), &[4422, 4451]).await;
    guest.expect_close(4505).await;
    other_guest.expect_disconnect(4505, "banned", false).await;
    let dial = broker.dial("guest");
    let (error, mut again) = dial.connect_refused(4451).await;
    assert!(
        error["retry_after_ms"].as_u64().is_some_and(|left| left <= 300_000),
        "{error}"
    );
    again.expect_close(4505).await;
    ann.still_works().await;
    connect(&broker, "bob").await.still_works().await;
    let listed = broker.read("/tenants/t/bans").await;
    assert_eq!(listed["bans"][0]["address"], "127.0.0.1", "{listed}");
    let path = "/tenants/t/addresses/127.0.0.1/ban";
    assert_eq!(broker.call("DELETE", path, Value::Null).await.ok()["affected"], 1);
    dial.connect().await.still_works().await;
}

#[tokio::test]
async fn each_number_twice_uses_up_nothing_that_strikes_need() {
    let broker = broker(&format!(
        "duplicates = {{ window_seconds = 3600, max = 2 }}, {}",
        STRIKES.replace('\n', " ").trim()
    ))
    .await;
    let mut mallory = broker.dial("mallory").token(&token::of("mallory")).connect().await;
    // More than the store has keys. Sent in batches, so that nobody waits for each answer.
    for batch in 0..220 {
        let mut last = Value::Null;
        for n in 0..50 {
            let data = batch * 50 + n;
            mallory.send("publish", json!({ "channel": "c", "data": data })).await;
            last = mallory.send("publish", json!({ "channel": "c", "data": data })).await;
        }
        mallory.acked(&last).await;
    }
    let mut ann = connect(&broker, "ann").await;
    refused(&mut ann, json!("casino"), &[4422]).await;
    ann.still_works().await;
    refused(&mut ann, json!("casino"), &[4422]).await;
    ann.expect_disconnect(4504, "kicked", false).await;
    let mut ann = connect(&broker, "ann").await;
    refused(&mut ann, json!("casino"), &[4422, 4451]).await;
    ann.expect_disconnect(4505, "banned", false).await;
}
