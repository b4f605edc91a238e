//! `history`: what a channel kept.

use crate::support::recovery::every_position_has_an_answer;
use crate::support::{Broker, Client, PATIENCE, Value, json, shared};

fn payloads(answer: &Value) -> Vec<i64> {
    let messages = answer["messages"]
        .as_array()
        .unwrap_or_else(|| panic!("no messages: {answer}"));
    messages
        .iter()
        .map(|m| m["payload"].as_i64().expect("a number"))
        .collect()
}

/// A client that published 1 to `count` in `channel`.
async fn after(broker: &Broker, channel: &str, count: i64) -> Client {
    let mut ann = broker.connect("ann").await;
    ann.to(channel);
    for n in 1..=count {
        ann.publish(n).await;
    }
    ann
}

#[tokio::test]
async fn an_empty_one_answers_offset_0_with_its_epoch() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let empty = ann.ask("history", json!({ "channel": "room:empty" })).await;
    assert_eq!(empty["channel"], "room:empty");
    assert_eq!(empty["offset"], 0);
    assert_eq!(empty["messages"], json!([]));
    let ack = ann.subscribe_with(json!({ "channel": "room:empty" })).await;
    assert!(empty["epoch"].is_string(), "{empty}");
    assert_eq!(ack["epoch"], empty["epoch"], "the epoch is one to trust");
}

#[tokio::test]
async fn messages_are_as_they_were_pushed() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("room:as-pushed")
        .await
        .publish(json!({ "a": [1, 2] }))
        .await;
    let pushed = ann.message().await;
    let history = ann.ask("history", json!({ "channel": "room:as-pushed" })).await;
    let kept = &history["messages"][0];
    for field in ["type", "id", "channel", "payload", "offset", "epoch", "from"] {
        assert_eq!(kept[field], pushed[field], "{field}: {kept} and {}", pushed.text);
    }
    assert_eq!(
        (&history["offset"], &history["epoch"]),
        (&pushed["offset"], &pushed["epoch"])
    );
}

#[tokio::test]
async fn limit_since_and_reverse_choose() {
    let broker = shared().await;
    let channel = "room:choose";
    let mut ann = after(&broker, channel, 5).await;
    let all = ann.ask("history", json!({ "channel": channel })).await;
    assert_eq!(payloads(&all), [1, 2, 3, 4, 5], "oldest first");
    assert_eq!(all["offset"], 5);
    let epoch = &all["epoch"];
    let since = |offset: u64| json!({ "epoch": epoch, "offset": offset });
    let choices = [
        (json!({ "channel": channel, "reverse": true }), vec![5, 4, 3, 2, 1]),
        (json!({ "channel": channel, "reverse": true, "limit": 2 }), vec![5, 4]),
        (json!({ "channel": channel, "since": since(2) }), vec![3, 4, 5]),
        (json!({ "channel": channel, "since": since(0), "limit": 2 }), vec![1, 2]),
        (json!({ "channel": channel, "since": since(2), "limit": 2 }), vec![3, 4]),
        (json!({ "channel": channel, "since": since(5) }), vec![]),
        (json!({ "channel": channel, "limit": 100 }), vec![1, 2, 3, 4, 5]),
    ];
    for (request, expected) in choices {
        let answer = ann.ask("history", request.clone()).await;
        assert_eq!(payloads(&answer), expected, "{request}");
        assert_eq!(answer["offset"], 5, "always the newest position: {request}");
    }
    let two = ann.ask("history", json!({ "channel": channel, "limit": 2 })).await;
    assert_eq!(payloads(&two).len(), 2, "a limit holds without since: {two}");
}

#[tokio::test]
async fn positions_at_all_their_ends_are_answered() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    every_position_has_an_answer(&mut ann, "short:ends").await;
}

#[tokio::test]
async fn one_can_page_backwards() {
    let broker = shared().await;
    let channel = "room:pages";
    let mut ann = after(&broker, channel, 5).await;
    let newest = ann
        .ask("history", json!({ "channel": channel, "reverse": true, "limit": 2 }))
        .await;
    let since = json!({ "epoch": newest["epoch"], "offset": newest["messages"][1]["offset"] });
    let before = ann
        .ask(
            "history",
            json!({ "channel": channel, "reverse": true, "since": since }),
        )
        .await;
    assert_eq!(payloads(&before), [3, 2, 1]);
}

#[tokio::test]
async fn size_bounds_what_is_kept() {
    let broker = shared().await;
    let mut ann = after(&broker, "short:size", 5).await;
    let kept = ann.ask("history", json!({ "channel": "short:size" })).await;
    assert_eq!(payloads(&kept), [3, 4, 5]);
    assert_eq!(kept["offset"], 5);
}

#[tokio::test]
async fn age_bounds_what_is_kept_and_offsets_go_on() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t" }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        channels = [{ match = "**", history = { size = 10, ttl_seconds = 1 } }]
        limits = { requests_per_second = 0 }
        "#,
    )
    .await;
    let mut ann = after(&broker, "aging", 2).await;
    let young = ann.ask("history", json!({ "channel": "aging" })).await;
    assert_eq!(payloads(&young), [1, 2]);
    let aging = async { while !payloads(&ann.ask("history", json!({ "channel": "aging" })).await).is_empty() {} };
    tokio::time::timeout(PATIENCE, aging)
        .await
        .expect("messages of one second go");
}

#[tokio::test]
async fn history_where_the_channel_has_none_is_a_bad_request() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("plain-history").await;
    ann.fails("history", json!({ "channel": "plain-history" }), 4400).await;
}

#[tokio::test]
async fn history_without_the_right_to_it_is_denied() {
    let broker = shared().await;
    let mut ann = broker.dial_as("ann-without-history").connect().await;
    ann.subscribe("quiet:history").await;
    ann.fails("history", json!({ "channel": "quiet:history" }), 4403).await;
    ann.fails("history", json!({ "channel": "secret:1" }), 4403).await;
    ann.subscribe("room:with-the-right").await;
    ann.ask("history", json!({ "channel": "room:with-the-right" })).await;
}

#[tokio::test]
async fn a_position_that_history_does_not_reach_back_to_is_told() {
    let broker = shared().await;
    let channel = "short:unreachable";
    let mut ann = after(&broker, channel, 5).await;
    let epoch = ann.ask("history", json!({ "channel": channel })).await["epoch"].clone();
    let since =
        |epoch: &Value, offset: u64| json!({ "channel": channel, "since": { "epoch": epoch, "offset": offset } });
    let reached = ann.ask("history", since(&epoch, 2)).await;
    assert_eq!(payloads(&reached), [3, 4, 5]);
    for request in [since(&epoch, 1), since(&epoch, 99), since(&json!("another"), 4)] {
        let error = ann.fails("history", request, 4416).await;
        assert_eq!(error["reason"], "unrecoverable_position");
    }
}
