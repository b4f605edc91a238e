//! Chains of several slow plugins: between two of them others have their turn, and what is left goes on in its session's order.

use serde_json::{Value, json};

use super::client::{Client, alone, settle};
use super::support::Stage;
use super::turns::{NO_RATES, connect, crowd, most_hooks_before, publish};
use chain::HookKind;
use protocol::codes;

const PLUGINS: usize = 3;

/// Lets tasks go on until so many hooks were asked.
async fn until_asked(stage: &Stage, hooks: usize) {
    while stage.asked.lock().len() < hooks {
        tokio::task::yield_now().await;
    }
}

/// A client of `other` whose hooks are slow and whose `request` has begun: its first plugin was asked, and no other.
async fn paused(stage: &Stage, request: &Value) -> Client {
    let attacker = crowd(stage, "other", "slow", 1).await.remove(0);
    attacker.send(std::slice::from_ref(request));
    until_asked(stage, 1).await;
    assert_eq!(stage.asked.lock().len(), 1, "{request}");
    attacker
}

#[tokio::test]
async fn between_two_plugins_of_one_request_another_tenant_is_served() {
    let channel = |kind: &str| json!({"type": kind, "id": 1, "payload": {"channel": "kept:a"}});
    let requests = [
        json!({"type": "publish", "id": 1, "payload": {"channel": "kept:a", "data": 1}}),
        channel("subscribe"),
        channel("history"),
        channel("presence"),
        json!({"type": "refresh", "id": 1, "payload": {"token": "slow0"}}),
        connect("slow0"),
        json!("hangs up"),
    ];
    for request in requests {
        alone(async {
            let stage = Stage::with_plugins(NO_RATES, PLUGINS);
            let mut victim = crowd(&stage, "acme", "victim", 1).await.remove(0);
            let mut attacker = if request["type"] == "connect" {
                Client::of("other", &stage, usize::MAX)
            } else {
                crowd(&stage, "other", "slow", 1).await.remove(0)
            };
            attacker.receive().await;
            attacker.received.clear();
            if request.is_string() {
                attacker.stream.hang_up();
            } else {
                attacker.send(std::slice::from_ref(&request));
            }
            until_asked(&stage, 1).await;
            assert_eq!(stage.asked.lock().len(), 1, "{request}: nobody has had a turn");
            victim.send(&[publish(1)]);
            until_asked(&stage, 2 * PLUGINS).await;
            let place = stage.asked.lock().iter().position(|asked| asked.contains("victim"));
            assert!(
                place.is_some_and(|place| place <= 2),
                "{request}: {:?}",
                stage.asked.lock()
            );
            victim.receive().await;
            assert_eq!(victim.received.last().unwrap()["id"], 1, "{request}");
            if !request.is_string() {
                assert_eq!(attacker.receive().await[0]["type"], "ack", "{request}");
            }
            assert_eq!(stage.asked.lock().len(), 2 * PLUGINS, "each plugin is asked once");
            assert_eq!(stage.shard.turns.departed(), 0);
        })
        .await;
    }
}

#[tokio::test]
async fn beside_chains_of_slow_plugins_everybody_waits_for_one_hook() {
    alone(async {
        let stage = Stage::with_plugins(NO_RATES, PLUGINS);
        let mut victim = crowd(&stage, "acme", "victim", 1).await.remove(0);
        let attackers = crowd(&stage, "other", "slow", 10).await;
        let message = |id: usize| json!({"type": "publish", "id": id, "payload": {"channel": "a", "data": id}});
        let burst: Vec<_> = (1..=10).map(message).collect();
        for attacker in &attackers {
            attacker.send(&burst);
        }
        let most = most_hooks_before(&stage, &mut victim, 100).await;
        assert!(most <= 1, "{most} hooks came first");
        for attacker in &attackers[5..] {
            attacker.stream.hang_up();
        }
        let most = most_hooks_before(&stage, &mut victim, 100).await;
        assert!(most <= 1, "{most} hooks came first");
        let mut attackers = attackers;
        for attacker in &mut attackers[..5] {
            while attacker.received.len() < 11 {
                attacker.receive().await;
            }
            assert_eq!(attacker.ids().await, (0..=10).collect::<Vec<_>>());
        }
    })
    .await;
}

#[tokio::test]
async fn publishes_keep_their_order_while_their_chains_pause() {
    alone(async {
        let mut stage = Stage::with_plugins(NO_RATES, PLUGINS);
        let mut bob = crowd(&stage, "acme", "bob", 1).await.remove(0);
        bob.send(&[json!({"type": "subscribe", "id": 1, "payload": {"channel": "a"}})]);
        bob.receive().await;
        let mut slow = crowd(&stage, "acme", "slow", 1).await.remove(0);
        let message = |id: usize| json!({"type": "publish", "id": id, "payload": {"channel": "a", "data": id}});
        slow.send(&(1..=9).map(message).collect::<Vec<_>>());
        until_asked(&stage, 9 * PLUGINS).await;
        assert_eq!(slow.ids().await, (0..=9).collect::<Vec<_>>());
        stage.deliver();
        let received = bob.receive().await;
        let messages = received.iter().filter(|push| push["type"] == "message");
        let messages: Vec<_> = messages.map(|push| push["payload"].clone()).collect();
        assert_eq!(messages, (1..=9).map(Value::from).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_session_that_ends_while_its_request_pauses_asks_no_more_and_publishes_nothing() {
    alone(async {
        let stage = Stage::with_plugins(NO_RATES, PLUGINS);
        let message = json!({"type": "publish", "id": 1, "payload": {"channel": "a", "data": 1}});
        let _attacker = paused(&stage, &message).await;
        stage
            .shard
            .clients_for_tests()
            .pop()
            .unwrap()
            .cut_off(codes::KICKED, None);
        until_asked(&stage, 1 + PLUGINS).await;
        settle().await;
        let asked = stage.asked.lock().clone();
        assert_eq!(asked[0], "publish a");
        assert!(asked[1..].iter().all(|asked| asked == "disconnect 4504"), "{asked:?}");
        assert_eq!(asked.len(), 1 + PLUGINS);
        assert_eq!(stage.gate.most(), 0, "nothing was published");
        assert_eq!((stage.gate.joined(), stage.shard.turns.departed()), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_ends_while_its_connect_pauses_was_never_there() {
    alone(async {
        let stage = Stage::with_plugins("connections = 1", PLUGINS);
        let attacker = Client::open(&stage, usize::MAX);
        attacker.send(&[connect("slow")]);
        until_asked(&stage, 1).await;
        attacker.stream.hang_up();
        stage
            .shard
            .clients_for_tests()
            .pop()
            .unwrap()
            .cut_off(codes::KICKED, None);
        settle().await;
        assert_eq!(stage.asked.lock().len(), 1, "{:?}", stage.asked.lock());
        let mut bob = Client::open(&stage, usize::MAX);
        bob.send(&[connect("bob")]);
        assert_eq!(bob.receive().await[0]["type"], "ack");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_goes_away_between_two_plugins_is_waited_for() {
    for comes_back in [true, false] {
        alone(async {
            let stage = Stage::with_plugins(NO_RATES, PLUGINS);
            let mut attacker = paused(&stage, &publish(1)).await;
            stage.instance.lose(HookKind::Publish);
            settle().await;
            // Both plugins that are left are asked for.
            assert_eq!((stage.asked.lock().len(), stage.instance.waiting()), (1, 1));
            if comes_back {
                stage.instance.bring();
            } else {
                tokio::time::advance(std::time::Duration::from_secs(5)).await;
            }
            attacker.receive().await;
            let reply = attacker.received.pop().unwrap();
            let expected = if comes_back { Value::Null } else { json!(4503) };
            assert_eq!(
                (&reply["id"], &reply["payload"]["code"]),
                (&json!(1), &expected),
                "{reply}"
            );
            assert_eq!(stage.asked.lock().len(), if comes_back { PLUGINS } else { 1 });
        })
        .await;
    }
}
