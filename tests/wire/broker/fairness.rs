//! A tenant whose hooks are slow, though legal, beside one on the same shard that publishes all the time. What is measured
//! is how often the victim was answered while the attacker's hooks ran: one after the other, with others in between.

use std::cell::Cell;

use crate::support::metrics::Metrics;
use crate::support::{Broker, Client, Value, json};

const ATTACKERS: usize = 20;
const REQUESTS: usize = 10;
/// For so many hooks of the attacker the victim has at least one answer. It has about one for each of them; a machine that
/// runs all other tests meanwhile leaves some out.
const HOOKS_AN_ANSWER: usize = 10;

async fn broker(hooks: &str) -> Broker {
    Broker::start(&format!(
        r#"
        server = {{ shards = 1, drain_seconds = 20 }}
        plugins = {{ slow = {{ file = "guests/slow.wasm" }} }}
        [[tenants]]
        name = "victim"
        anonymous = true
        default = "allow"
        limits = {{ publish_per_second = 0 }}
        [[tenants]]
        name = "attacker"
        anonymous = true
        default = "allow"
        chain = [{{ plugin = "slow", deadline_ms = 1000, hooks = {hooks} }}]
        limits = {{ publish_per_second = 0 }}
        [[tenants.channels]]
        match = "kept:*"
        history = {{ size = 10, ttl_seconds = 60 }}
        presence = true
        "#
    ))
    .await
}

/// Does all of this at the same time.
async fn together<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.expect("a task of the test"));
    }
    done
}

async fn attackers(broker: &Broker, count: usize) -> Vec<Client> {
    let dials = (0..count).map(|n| broker.dial(&format!("attacker {n}")).tenant("attacker"));
    together(dials.map(|dial| async move { dial.connect().await })).await
}

/// Lets the victim publish until the attack is over: its answers, and what the attack gave.
async fn answers_during<T>(broker: &Broker, attack: impl Future<Output = T>) -> (usize, T) {
    let mut victim = broker.dial("victim").tenant("victim").connect().await;
    victim.to("c").publish(0).await;
    let answers = Cell::new(0);
    let publishing = async {
        loop {
            victim.publish(1).await;
            answers.set(answers.get() + 1);
        }
    };
    let outcome = tokio::select! {
        outcome = attack => outcome,
        () = publishing => unreachable!(),
    };
    (answers.get(), outcome)
}

/// Sends the same request again and again, in one write, and reads all replies.
async fn burst(mut client: Client, kind: &str, payloads: Vec<Value>) -> Client {
    let mut frames = Vec::new();
    let mut ids = Vec::new();
    for payload in payloads {
        let (id, text) = client.request(kind, &payload);
        frames.extend(crate::support::Frame::text(text).masked());
        ids.push(id);
    }
    client.send_bytes(&frames).await;
    for id in ids {
        let reply = client.reply(&id).await;
        // On a machine that runs all other tests meanwhile some wait for their turn longer than they may.
        let is_answered = reply.kind() == "ack" || reply["payload"]["code"] == 4429;
        assert!(is_answered, "{}", reply.text);
    }
    client
}

/// The payload of a request, by its number.
type Payload<'a> = &'a dyn Fn(usize) -> Value;

#[tokio::test]
async fn a_burst_of_slow_requests_leaves_others_their_turn() {
    let channels = |n: usize| json!({ "channel": format!("c{n}") });
    let kept = |_| json!({ "channel": "kept:a" });
    let requests: [(&str, &str, Payload<'_>); 5] = [
        ("refresh", "connect", &|_| json!({ "token": "x" })),
        ("history", "subscribe", &kept),
        ("presence", "subscribe", &kept),
        ("subscribe", "subscribe", &channels),
        ("publish", "publish", &|n| json!({ "channel": "c", "data": n })),
    ];
    for (kind, hook, payload) in requests {
        let broker = broker(&format!("[\"{hook}\"]")).await;
        let attackers = attackers(&broker, ATTACKERS).await;
        let attack = together(attackers.into_iter().map(|attacker| {
            let payloads = (0..REQUESTS).map(payload).collect();
            burst(attacker, kind, payloads)
        }));
        let (answers, _) = answers_during(&broker, attack).await;
        let hooks = ATTACKERS * REQUESTS;
        assert!(
            answers * HOOKS_AN_ANSWER >= hooks,
            "{kind}: {answers} answers during {hooks} slow hooks"
        );
    }
}

#[tokio::test]
async fn a_rush_of_connects_leaves_others_their_turn() {
    let broker = broker("[\"connect\", \"subscribe\"]").await;
    let list: Vec<_> = (0..REQUESTS).map(|n| json!({ "channel": format!("c{n}") })).collect();
    let dials = (0..ATTACKERS).map(|n| broker.dial(&format!("attacker {n}")).tenant("attacker"));
    let attack = together(dials.map(|dial| {
        let dial = dial.subscribe(json!(list));
        async move { dial.connect().await }
    }));
    let (answers, clients) = answers_during(&broker, attack).await;
    for client in &clients {
        let subscriptions = client.welcome["subscriptions"].as_array().unwrap();
        assert!(
            subscriptions.iter().all(|one| one["error"].is_null()),
            "{}",
            client.welcome
        );
    }
    let hooks = ATTACKERS * (REQUESTS + 1);
    assert!(
        answers * HOOKS_AN_ANSWER >= hooks,
        "{answers} answers during {hooks} slow hooks"
    );
}

#[tokio::test]
async fn hooks_of_connections_that_were_reset_leave_others_their_turn() {
    const MANY: usize = 200;
    let broker = broker("[\"disconnect\"]").await;
    let attackers = attackers(&broker, MANY).await;
    let attack = async {
        for attacker in attackers {
            attacker.reset();
        }
        all_departed(&broker, MANY).await;
    };
    let (answers, ()) = answers_during(&broker, attack).await;
    assert!(
        answers * HOOKS_AN_ANSWER >= MANY,
        "{answers} answers during {MANY} slow hooks"
    );
}

#[tokio::test]
async fn a_drain_asks_the_hooks_of_all_that_leave() {
    const MANY: usize = 40;
    let broker = broker("[\"disconnect\"]").await;
    let attackers = attackers(&broker, MANY).await;
    broker.terminate();
    for mut attacker in attackers {
        attacker.expect_close(4000).await;
    }
    assert_eq!(broker.exit_code().await, Some(0));
    let log = broker.log().text();
    assert!(log.contains("drained") && !log.contains("the rest is cut off"), "{log}");
}

async fn all_departed(broker: &Broker, count: usize) {
    let labels = [("tenant", "attacker"), ("hook", "disconnect")];
    let asked = |metrics: &Metrics| {
        let asked = metrics.sum("sluicegate_hook_verdicts_total", &labels).unwrap_or(0.0);
        asked >= f64::from(u32::try_from(count).unwrap())
    };
    broker.metrics_when("every hook", asked).await;
}

#[tokio::test]
async fn requests_beyond_their_rate_are_refused_for_now() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t" }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        limits = { requests_per_second = 5 }
        "#,
    )
    .await;
    let mut ann = broker.connect("ann").await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(ann.send("refresh", json!({ "token": "x" })).await);
    }
    ids.push(ann.send("ping", json!({})).await);
    let (mut granted, mut refused) = (0, 0);
    for id in &ids[..40] {
        let reply = ann.reply(id).await;
        if reply.kind() == "ack" {
            granted += 1;
            continue;
        }
        refused += 1;
        let error = &reply["payload"];
        assert_eq!(
            (&error["code"], &error["reason"]),
            (&json!(4429), &json!("rate_limited"))
        );
        assert_eq!(error["retry"], true);
        let wait = error["retry_after_ms"].as_u64().expect("retry_after_ms");
        assert!((1..=1000).contains(&wait), "at five a second: {}", reply.text);
    }
    ann.acked(&ids[40]).await;
    // The connect was the first of ten.
    assert!(granted >= 9 && refused > 0, "{granted} granted, {refused} refused");
    ann.to("c").publish(1).await;
    let labels = [("tenant", "t"), ("what", "rate")];
    let throttled = broker.metrics().await.sum("sluicegate_tenant_throttled_total", &labels);
    assert_eq!(throttled, Some(f64::from(refused)));
}
