//! Turns: who is asked for between two slow hooks of others. The clock stands still but for hooks of users called `slow…`.

use serde_json::{Value, json};

use super::client::{Client, alone, settle};
use super::support::{SLOW, Stage};
use protocol::codes;

pub(super) const NO_RATES: &str = "publish_per_second = 0\nrequests_per_second = 0";
/// A round in which nobody else has anything to do takes so many yields at most.
const ROUNDS: usize = 4;

pub(super) fn connect(user: &str) -> Value {
    json!({"type": "connect", "id": 0, "payload": {"version": 1, "token": user}})
}

pub(super) fn publish(id: usize) -> Value {
    json!({"type": "publish", "id": id, "payload": {"channel": format!("of-victim:{id}"), "data": id}})
}

/// Connected clients of a tenant, with names that begin with `name`.
pub(super) async fn crowd(stage: &Stage, tenant: &str, name: &str, count: usize) -> Vec<Client> {
    let clients: Vec<_> = (0..count)
        .map(|n| {
            let mut client = Client::of(tenant, stage, usize::MAX);
            client.send(&[connect(&format!("{name}{n}"))]);
            client.received.clear();
            client
        })
        .collect();
    while stage.asked.lock().len() < count {
        settle().await;
    }
    settle().await;
    stage.asked.lock().clear();
    clients
}

/// Lets a victim publish again and again, until `hooks` others were asked: the most hooks that were asked between
/// a request of the victim and its own hook.
pub(super) async fn most_hooks_before(stage: &Stage, victim: &mut Client, hooks: usize) -> usize {
    let mut most = 0;
    let mut id = 0;
    let is_other = |asked: &&String| !asked.starts_with("publish of-victim");
    while stage.asked.lock().iter().filter(is_other).count() < hooks {
        id += 1;
        let before = stage.asked.lock().len();
        victim.send(&[publish(id)]);
        let own = format!("publish of-victim:{id}");
        let place = loop {
            if let Some(place) = stage.asked.lock()[before..].iter().position(|asked| *asked == own) {
                break place;
            }
            tokio::task::yield_now().await;
        };
        most = most.max(place);
        // Its next request comes while others are asked.
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
        }
    }
    most
}

#[tokio::test]
async fn between_two_slow_hooks_whoever_used_less_has_its_turn() {
    let refresh = |id: usize| json!({"type": "refresh", "id": id, "payload": {"token": "slow"}});
    let subscribe = |id: usize| json!({"type": "subscribe", "id": id, "payload": {"channel": format!("c{id}")}});
    let history = |id: usize| json!({"type": "history", "id": id, "payload": {"channel": "kept:a"}});
    let presence = |id: usize| json!({"type": "presence", "id": id, "payload": {"channel": "kept:a"}});
    let publish = |id: usize| json!({"type": "publish", "id": id, "payload": {"channel": "a", "data": 1}});
    let kinds: [(&str, &dyn Fn(usize) -> Value); 5] = [
        ("refresh", &refresh),
        ("subscribe", &subscribe),
        ("history", &history),
        ("presence", &presence),
        ("publish", &publish),
    ];
    for (kind, request) in kinds {
        // The victim is of another tenant, or of the same one.
        for tenant in ["other", "acme"] {
            alone(async {
                let stage = Stage::new(NO_RATES);
                let mut victim = crowd(&stage, "acme", "victim", 1).await.remove(0);
                let attackers = crowd(&stage, tenant, "slow", 20).await;
                let burst: Vec<_> = (1..=10).map(request).collect();
                for attacker in &attackers {
                    attacker.send(&burst);
                }
                let most = most_hooks_before(&stage, &mut victim, 200).await;
                assert!(most <= 1, "{kind} of {tenant}: {most} hooks came first");
                for mut attacker in attackers {
                    assert_eq!(attacker.ids().await, (0..=10).collect::<Vec<_>>(), "{kind}");
                }
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_connect_and_each_of_its_channels_take_turns() {
    alone(async {
        let stage = Stage::new(NO_RATES);
        let mut victim = crowd(&stage, "acme", "victim", 1).await.remove(0);
        let channels: Vec<_> = (0..100).map(|n| json!({ "channel": format!("c{n}") })).collect();
        let mut attackers = Vec::new();
        for n in 0..5 {
            let attacker = Client::of("other", &stage, usize::MAX);
            let payload = json!({"version": 1, "token": format!("slow{n}"), "subscribe": channels});
            attacker.send(&[json!({"type": "connect", "id": 0, "payload": payload})]);
            attackers.push(attacker);
        }
        let most = most_hooks_before(&stage, &mut victim, 505).await;
        assert!(most <= 1, "{most} hooks came first");
        for mut attacker in attackers {
            let subscriptions = attacker.receive().await[0]["payload"]["subscriptions"].clone();
            assert_eq!(subscriptions.as_array().unwrap().len(), 100);
        }
    })
    .await;
}

#[tokio::test]
async fn hooks_of_departed_sessions_take_turns_and_each_is_asked_once() {
    alone(async {
        let stage = Stage::new(NO_RATES);
        let mut victim = crowd(&stage, "acme", "victim", 1).await.remove(0);
        let attackers = crowd(&stage, "other", "slow", 100).await;
        for attacker in &attackers {
            attacker.stream.hang_up();
        }
        let most = most_hooks_before(&stage, &mut victim, 100).await;
        assert!(most <= 1, "{most} hooks came first");
        settle().await;
        let asked = stage.asked.lock();
        let departed = asked.iter().filter(|asked| *asked == "disconnect 1006").count();
        assert_eq!((departed, stage.shard.turns.departed()), (100, 0));
    })
    .await;
}

#[tokio::test]
async fn departed_sessions_whose_hooks_wait_are_closed_and_have_no_seat() {
    alone(async {
        let stage = Stage::new("connections = 3");
        let clients = crowd(&stage, "acme", "slow", 3).await;
        for client in stage.shard.clients_for_tests() {
            client.cut_off(codes::KICKED, None);
        }
        // One round: the first hook is asked, and all have their closing frames.
        while stage.asked.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(stage.shard.turns.departed() > 0, "all were asked at once");
        for mut client in clients {
            let frames = super::support::texts(&client.stream.receive());
            client.received.extend(frames);
            assert_eq!(client.received.last().unwrap()["type"], "disconnect");
        }
        let mut again = Client::open(&stage, usize::MAX);
        again.send(&[connect("ann")]);
        assert_eq!(again.receive().await[0]["type"], "ack");
    })
    .await;
}

#[tokio::test]
async fn while_too_many_hooks_of_departed_sessions_wait_connects_are_refused_for_now() {
    const BOUND: usize = 1_024;
    alone(async {
        let stage = Stage::new(NO_RATES);
        let attackers = crowd(&stage, "other", "slow", BOUND + 10).await;
        for attacker in &attackers {
            attacker.stream.hang_up();
        }
        while stage.shard.turns.departed() < BOUND {
            tokio::task::yield_now().await;
        }
        let mut refused = Client::of("other", &stage, usize::MAX);
        let mut neighbour = Client::open(&stage, usize::MAX);
        refused.send(&[connect("carl")]);
        neighbour.send(&[connect("dora")]);
        while refused.received.is_empty() || neighbour.received.is_empty() {
            tokio::task::yield_now().await;
            for client in [&mut refused, &mut neighbour] {
                client.received.extend(super::support::texts(&client.stream.receive()));
            }
        }
        assert_eq!(neighbour.received[0]["type"], "ack");
        let [error, disconnect] = &refused.received[..] else {
            panic!("{:?}", refused.received)
        };
        assert_eq!(error["payload"]["code"], 4429, "{error}");
        assert_eq!(disconnect["payload"]["code"], 4003, "{disconnect}");
        assert_eq!(
            disconnect["payload"]["retry_after_ms"],
            error["payload"]["retry_after_ms"]
        );
        // None of the hooks is lost, and then there is room again.
        while stage.shard.turns.departed() > 0 {
            settle().await;
        }
        let asked = stage
            .asked
            .lock()
            .iter()
            .filter(|asked| *asked == "disconnect 1006")
            .count();
        assert_eq!(asked, BOUND + 10);
        let mut again = Client::of("other", &stage, usize::MAX);
        again.send(&[connect("carl")]);
        assert_eq!(again.receive().await[0]["type"], "ack");
    })
    .await;
}

#[tokio::test]
async fn what_waits_too_long_for_its_turn_is_refused_in_its_order_and_no_hook_is_skipped() {
    alone(async {
        let stage = Stage::new(NO_RATES);
        let attackers = crowd(&stage, "acme", "slow", 100).await;
        let mut burst: Vec<_> = (1..=40).map(publish).collect();
        burst.push(json!({"type": "ping", "id": 41}));
        burst.push(json!({"type": "unsubscribe", "id": 42, "payload": {"channel": "a"}}));
        for attacker in &attackers {
            attacker.send(&burst);
        }
        let began = *stage.clock.lock();
        let (mut granted, mut refused) = (0, 0);
        for mut attacker in attackers {
            while attacker.received.len() < 43 {
                attacker.receive().await;
            }
            let ids: Vec<_> = attacker
                .received
                .iter()
                .map(|reply| reply["id"].as_u64().unwrap())
                .collect();
            assert_eq!(ids, (0..=42).collect::<Vec<_>>());
            let codes: Vec<_> = attacker.received[1..]
                .iter()
                .map(|reply| reply["payload"]["code"].as_u64())
                .collect();
            let first = codes.iter().position(|code| *code == Some(4429)).unwrap_or(40);
            assert!(codes[first..40].iter().all(|code| *code == Some(4429)), "{codes:?}");
            assert_eq!(codes[40..], [None, Some(4406)], "these are never refused");
            granted += first;
            refused += 40 - first;
            if first < 40 {
                let wait = attacker.received[first + 1]["payload"]["retry_after_ms"]
                    .as_u64()
                    .unwrap();
                assert!((5_000..=30_001).contains(&wait), "{wait}");
            }
        }
        assert_eq!(stage.asked.lock().len(), granted);
        assert!(granted > 0 && refused > 0, "{granted} {refused}");
        assert!(*stage.clock.lock() - began < std::time::Duration::from_secs(7));
        let throttled = &stage.shard.tenant("acme").unwrap().metrics.throttled_by_turn;
        assert_eq!(throttled.get(), refused as u64);
    })
    .await;
}

#[tokio::test]
async fn what_was_not_used_is_not_saved() {
    // One tenant was busy alone for long; then another comes, and they share from now on.
    alone(async {
        let stage = Stage::new(NO_RATES);
        let first = crowd(&stage, "acme", "slow-a", 1).await.remove(0);
        for _ in 0..20 {
            first.send(&[publish(1)]);
            settle().await;
        }
        let second = crowd(&stage, "other", "slow-b", 1).await.remove(0);
        stage.asked.lock().clear();
        let burst = |name: &str| -> Vec<Value> {
            let request = |id| json!({"type": "publish", "id": id, "payload": {"channel": name, "data": 1}});
            (1..=10).map(request).collect()
        };
        first.send(&burst("a"));
        second.send(&burst("b"));
        while stage.asked.lock().len() < 20 {
            settle().await;
        }
        let asked = stage.asked.lock();
        let of_first = asked[..10].iter().filter(|asked| *asked == "publish a").count();
        assert!((4..=6).contains(&of_first), "{asked:?}");
    })
    .await;
}

#[tokio::test]
async fn the_time_of_a_tenants_sessions_is_counted() {
    alone(async {
        let stage = Stage::new(NO_RATES);
        let attackers = crowd(&stage, "other", "slow", 5).await;
        for attacker in &attackers {
            attacker.send(&[publish(1), publish(2)]);
        }
        settle().await;
        let seconds = |tenant: &str| {
            stage
                .shard
                .tenant(tenant)
                .unwrap()
                .metrics
                .request_time
                .get()
                .as_secs_f64()
        };
        // Each connected, and published twice.
        let expected = (SLOW * 15).as_secs_f64();
        assert!((seconds("other") - expected).abs() < 1e-9, "{}", seconds("other"));
        assert!(seconds("acme").abs() < 1e-9);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_when_the_last_hook_was_asked() {
    alone(async {
        let stage = Stage::new(NO_RATES);
        let clients = crowd(&stage, "acme", "slow", 50).await;
        let (controls, ends) = tokio::sync::mpsc::channel(1);
        let obeying = tokio::task::spawn_local(stage.shard.clone().obey(ends));
        controls
            .send(crate::shard::Control::Drain(std::time::Duration::from_mins(1)))
            .await
            .unwrap();
        for client in &clients {
            client.stream.hang_up();
        }
        obeying.await.unwrap();
        let asked = stage
            .asked
            .lock()
            .iter()
            .filter(|asked| asked.starts_with("disconnect"))
            .count();
        assert_eq!((asked, stage.shard.turns.departed()), (50, 0));
    })
    .await;
}

#[tokio::test]
async fn a_message_reaches_all_of_many_subscribers_however_many_rounds_that_takes() {
    const SUBSCRIBERS: usize = 500;
    const MESSAGES: u64 = 3;
    alone(async {
        let mut stage = Stage::new(NO_RATES);
        let subscribe = json!({"type": "subscribe", "id": 1, "payload": {"channel": "c"}});
        let mut subscribers = crowd(&stage, "acme", "u", SUBSCRIBERS).await;
        for subscriber in &mut subscribers {
            subscriber.send(std::slice::from_ref(&subscribe));
        }
        settle().await;
        tokio::task::spawn_local(stage.shard.clone().deliver(stage.take_inbox()));
        // Nobody is written to after the second look.
        stage.shard.turns.step_clock(SLOW);
        let publish = |id| json!({"type": "publish", "id": id, "payload": {"channel": "c", "data": id}});
        subscribers[0].send(&(2..2 + MESSAGES).map(publish).collect::<Vec<_>>());
        for _ in 0..10 {
            settle().await;
        }
        for subscriber in &mut subscribers {
            let received = subscriber.receive().await;
            let messages = received.iter().filter(|envelope| envelope["type"] == "message");
            let data: Vec<_> = messages.filter_map(|message| message["payload"].as_u64()).collect();
            assert_eq!(data, (2..2 + MESSAGES).collect::<Vec<_>>());
        }
    })
    .await;
}
