//! A fault costs the session that caused it first: it has to wait, and nobody else does.

use super::faults::trap_on_zero;
use crate::support::{Broker, Client, PATIENCE, Value, json};

/// Publishes what the plugin traps on: the error's payload.
async fn poison(client: &mut Client) -> Value {
    client
        .fails("publish", json!({ "channel": "c", "data": 0 }), 4503)
        .await
}

/// Publishes until it is acknowledged, because an instance that is lost takes a moment to be made again. Gives how
/// often it was refused.
async fn publish(client: &mut Client) -> u32 {
    let until_acked = async {
        let mut refused = 0;
        loop {
            let id = client.send("publish", json!({ "channel": "c", "data": 1 })).await;
            let reply = client.reply(&id).await;
            if reply.kind() == "ack" {
                return refused;
            }
            assert_eq!(reply["payload"]["code"], 4503, "{}", reply.text);
            assert_eq!(
                reply["payload"].get("retry_after_ms"),
                None,
                "not suspended: {}",
                reply.text
            );
            refused += 1;
        }
    };
    tokio::time::timeout(PATIENCE, until_acked).await.expect("an ack")
}

/// Calls that ended in a trap, and those that were refused because of who asked.
async fn counted(broker: &Broker) -> (f64, f64) {
    let metrics = broker.metrics().await;
    let faults = |kind| metrics.sum("sluicegate_plugin_faults_total", &[("tenant", "t"), ("kind", kind)]);
    (faults("trap").unwrap_or(0.0), faults("suspended").unwrap_or(0.0))
}

#[tokio::test]
async fn a_session_that_causes_faults_has_to_wait_and_others_do_not() {
    const ROUNDS: u32 = 150;
    let broker = Broker::start(&trap_on_zero(r#""deny""#)).await;
    let (mut ann, mut bob) = (broker.connect("ann").await, broker.connect("bob").await);
    let mut waits = 0;
    for _ in 0..ROUNDS {
        waits += u32::from(poison(&mut ann).await["retry_after_ms"].is_u64());
        publish(&mut bob).await;
    }
    let (traps, suspended) = counted(&broker).await;
    // A second passes after three, then two, then four: hardly more come through in the time that a slow machine needs.
    assert!(traps < 15.0, "{traps} calls that cost an instance");
    assert!((suspended - f64::from(waits)).abs() < 0.5, "{suspended}, {waits}");
    assert!(waits > ROUNDS - 15, "{waits} told when to come back");
    broker.log().wait_for(&["has to wait", ann.session()]).await;
}

#[tokio::test]
async fn who_comes_back_with_new_sessions_has_to_wait_too() {
    const SESSIONS: u32 = 60;
    let broker = Broker::start(&trap_on_zero(r#""deny""#)).await;
    let mut bob = broker.connect("bob").await;
    for _ in 0..SESSIONS {
        poison(&mut broker.connect("ann").await).await;
        publish(&mut bob).await;
    }
    let (traps, suspended) = counted(&broker).await;
    assert!(traps < 40.0 && suspended > 20.0, "{traps} traps, {suspended} refused");
}

#[tokio::test]
async fn a_suspended_call_is_a_fault_like_any_other_to_the_operators_rule() {
    let broker = Broker::start(&trap_on_zero(r#""allow""#)).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await;
    for _ in 0..10 {
        ann.publish(0).await.expect_message(0).await;
    }
    assert!(counted(&broker).await.1 > 0.0, "most were not asked about");
}
