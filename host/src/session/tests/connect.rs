//! `connect`: its channels side by side, and what it shows to plugins.

use std::rc::Rc;

use futures_util::FutureExt;
use serde_json::json;

use super::support::{Stage, apply, begin};
use crate::session::outcome::Outcome;
use crate::transport::memory::MemoryStream;
use protocol::codes;

fn channels(count: usize) -> String {
    let channels: Vec<_> = (0..count).map(|n| json!({ "channel": format!("c{n}") })).collect();
    json!({ "version": 1, "token": "ann", "subscribe": channels }).to_string()
}

/// Goes on until it waits.
fn go_on(outcome: &mut Outcome) -> bool {
    std::future::poll_fn(|cx| outcome.poll(cx)).now_or_never().is_some()
}

#[tokio::test]
async fn the_channels_of_a_connect_are_joined_side_by_side_and_acknowledged_in_their_order() {
    let stage = Stage::new("channels_per_connection = 500");
    stage.gate.close();
    let context = stage.context();
    let mut connect = begin(&context, "connect", &channels(100));
    assert!(!go_on(&mut connect));
    assert_eq!(
        stage.gate.waiting(),
        64,
        "joined one after the other, or without a bound"
    );
    stage.gate.let_through(100);
    assert!(go_on(&mut connect));
    let reply = connect.answer().await.unwrap();
    let ack: serde_json::Value = serde_json::from_slice(&reply.envelope.to_vec()).unwrap();
    let acknowledged: Vec<_> = ack["payload"]["subscriptions"].as_array().unwrap().clone();
    let expected: Vec<_> = (0..100).map(|n| json!({ "channel": format!("c{n}") })).collect();
    assert_eq!(acknowledged, expected);
    assert_eq!((reply.releases.len(), stage.gate.most()), (100, 64));
    assert_eq!(context.subscription_count(), 100);
}

#[tokio::test]
async fn which_channels_are_refused_is_decided_by_their_order() {
    let stage = Stage::new("channels_per_connection = 2");
    let context = stage.context();
    let named = ["a", "denied", "a", "b", "c", "denied"].map(|channel| json!({ "channel": channel }));
    let payload = json!({ "version": 1, "subscribe": named }).to_string();
    let ack = apply(&context, "connect", &payload).await.unwrap();
    let codes: Vec<_> = ack["subscriptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["error"]["code"].as_u64().unwrap_or(0))
        .collect();
    assert_eq!(codes, [0, 4403, 4405, 0, 4430, 4430]);
    assert_eq!(context.subscription_count(), 2);
}

#[tokio::test]
async fn what_is_revoked_while_it_is_joined_is_refused_and_leaves_nothing() {
    let stage = Stage::new("");
    stage.gate.close();
    let context = stage.context();
    let mut connect = begin(&context, "connect", &channels(3));
    assert!(!go_on(&mut connect));
    let revoked = Stage::topic("c1");
    let hub = &stage.shard.hub;
    assert!(
        hub.borrow_mut()
            .revoke(&revoked, context.client.id, codes::CLOSE_PERMISSION_DENIED)
    );
    stage.gate.let_through(3);
    let reply = connect.answer().await.unwrap();
    let text = String::from_utf8(reply.envelope.to_vec()).unwrap();
    assert!(text.contains("{\"channel\":\"c1\",\"error\":{\"code\":4403"), "{text}");
    assert_eq!((reply.releases.len(), context.subscription_count()), (2, 2));
    assert!(
        !hub.borrow().is_revoked(&revoked, context.client.id),
        "it is still in the hub"
    );
    assert_eq!(stage.gate.joined(), 2);
}

#[tokio::test]
async fn a_connect_that_is_given_up_takes_back_what_is_half_done() {
    let stage = Stage::new("");
    stage.gate.close();
    let context = stage.context();
    let mut connect = begin(&context, "connect", &channels(3));
    assert!(!go_on(&mut connect));
    stage.gate.let_through(1);
    assert!(!go_on(&mut connect));
    assert_eq!((stage.gate.joined(), stage.gate.waiting()), (1, 2));
    drop(connect);
    assert_eq!((stage.gate.joined(), stage.gate.waiting()), (0, 0));
    assert_eq!(stage.shard.hub.borrow().places(), 0);
    let metrics = &context.tenant.metrics;
    assert_eq!(metrics.subscriptions.get(), 0);
}

#[tokio::test]
async fn an_empty_token_hides_none() {
    for (early, payload, shown) in [
        (Some("early"), json!({"version": 1, "token": ""}), "Some(\"early\")"),
        (Some("early"), json!({"version": 1}), "Some(\"early\")"),
        (Some("early"), json!({"version": 1, "token": "late"}), "Some(\"late\")"),
        (Some(""), json!({"version": 1, "token": "late"}), "Some(\"late\")"),
        (Some(""), json!({"version": 1, "token": ""}), "None"),
        (None, json!({"version": 1, "token": ""}), "None"),
    ] {
        let stage = Stage::new("");
        let opening = Stage::opening(&MemoryStream::new(usize::MAX), early, &[]);
        let context = opening.into_context(stage.shard.clone(), stage.shard.tenant("acme").unwrap());
        apply(&context, "connect", &payload.to_string()).await.unwrap();
        let asked = stage.asked.lock()[0].clone();
        assert!(
            asked.starts_with(&format!("connect {shown} ")),
            "{early:?} {payload}: {asked}"
        );
    }
    // A refresh with an empty token has none.
    let stage = Stage::new("");
    let context = stage.connected("ann").await;
    let refused = apply(&context, "refresh", "{\"token\":\"\"}").await.unwrap_err();
    assert_eq!(refused.code, 4403);
    assert!(stage.asked.lock()[1].starts_with("connect None refresh true"));
}

#[tokio::test]
async fn a_connection_keeps_a_bounded_part_of_its_headers_for_refreshes() {
    let stage = Stage::new("");
    let large = "l".repeat(5000);
    let opening = Stage::opening(
        &MemoryStream::new(usize::MAX),
        None,
        &[("large", &large), ("small", "s")],
    );
    let context = opening.into_context(stage.shard.clone(), stage.shard.tenant("acme").unwrap());
    apply(&context, "connect", "{\"version\":1,\"token\":\"ann\"}")
        .await
        .unwrap();
    apply(&context, "refresh", "{\"token\":\"ann\"}").await.unwrap();
    let asked = stage.asked.lock();
    assert!(asked[0].ends_with("small s large l"), "{}", asked[0]);
    assert!(asked[1].ends_with("small s large none"), "{}", asked[1]);
}

#[tokio::test]
async fn a_refused_connect_holds_no_seat() {
    let stage = Stage::new("connections = 1");
    let first = stage.connected("ann").await;
    let second = stage.context();
    let refused = apply(&second, "connect", "{\"version\":1}").await.unwrap_err();
    assert_eq!((refused.code, second.is_connected()), (4430, false));
    assert!(first.take_seat().is_some());
    apply(&second, "connect", "{\"version\":1}").await.unwrap();
    let twice = apply(&second, "connect", "{\"version\":1}").await.unwrap_err();
    assert_eq!(twice.code, 4400);
    assert_eq!(Rc::strong_count(&second), 1, "no command holds the context");
}
