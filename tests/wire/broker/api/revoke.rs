//! A revocation holds when the call is answered: no message that was published later arrives.

use super::broker;
use crate::support::{Broker, Client, Value, json};

/// Publishes numbers until it is stopped, and reports the last acknowledged one.
struct Flood {
    last: tokio::sync::watch::Receiver<u64>,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Client>,
}

impl Flood {
    async fn start(broker: &Broker, channel: &'static str) -> Self {
        let mut client = broker.user("flood").await;
        let (tell, last) = tokio::sync::watch::channel(0);
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            for n in 1u64.. {
                client.publish_with(json!({ "channel": channel, "data": n })).await;
                tell.send_replace(n);
                if stopped.try_recv().is_ok() {
                    break;
                }
            }
            client
        });
        Self { last, stop, task }
    }

    fn acknowledged(&self) -> u64 {
        *self.last.borrow()
    }

    async fn reaches(&mut self, number: u64) {
        let reached = self.last.wait_for(|last| *last >= number);
        crate::support::within(reached, || "the flood stands still".into())
            .await
            .unwrap();
    }

    /// Runs on for a while, and stops.
    async fn end(mut self) {
        self.reaches(self.acknowledged() + 100).await;
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

/// The numbers of the messages that `client` gets before the push of this kind, in order and without a gap.
async fn before(client: &mut Client, kind: &str) -> (u64, Value) {
    let mut last = None;
    loop {
        let envelope = client
            .take("a message or the end", |e| [kind, "message"].contains(&e.kind()))
            .await;
        if envelope.kind() == kind {
            return (last.unwrap_or(0), envelope["payload"].clone());
        }
        let n = envelope["payload"].as_u64().unwrap();
        assert!(last.is_none_or(|last| n == last + 1), "{n} after {last:?}");
        last = Some(n);
    }
}

#[tokio::test]
async fn after_an_unsubscribe_nothing_of_the_channel_comes() {
    let broker = broker().await;
    // On both shards, and another user beside them.
    let mut anns = Vec::new();
    for _ in 0..6 {
        let mut ann = broker.user("ann").await;
        ann.subscribe("flooded").await.subscribe("quiet").await;
        anns.push(ann);
    }
    let mut bob = broker.user("bob").await;
    bob.subscribe("flooded").await;
    let mut flood = Flood::start(&broker, "flooded").await;
    flood.reaches(50).await;
    let path = "/tenants/acme/users/ann/unsubscribe";
    let done = broker.order(path, json!({ "channel": "flooded" })).await;
    // The next number may have been on its way already; the one after it was published later.
    let newest = flood.acknowledged() + 1;
    assert_eq!(done["affected"], 6);
    flood.end().await;
    for ann in &mut anns {
        let (last, why) = before(ann, "unsubscribed").await;
        assert!(last <= newest, "{last} was published after {newest}");
        assert_eq!(
            (&why["code"], &why["reason"]),
            (&json!(4503), &json!("permission_denied"))
        );
        ann.still_works().await;
        assert!(!ann.has_waiting("message"), "nothing comes after the end");
    }
    bob.still_works().await;
    assert!(!bob.has_waiting("unsubscribed"));
    let listed = broker.read("/tenants/acme/channels?prefix=flooded").await;
    assert_eq!(listed["channels"][0]["subscribers"], 1);
    // The subscription was ended, not the right to subscribe.
    anns[0]
        .to("quiet")
        .publish("still here")
        .await
        .expect_message("still here")
        .await;
    anns[0]
        .subscribe("flooded")
        .await
        .publish("again")
        .await
        .expect_message("again")
        .await;
    assert_eq!(
        broker.order(path, json!({ "channel": "nobody-is-here" })).await["affected"],
        0
    );
}

#[tokio::test]
async fn after_a_disconnect_nothing_comes_but_the_last_words() {
    let broker = broker().await;
    let mut anns = Vec::new();
    for _ in 0..6 {
        let mut ann = broker.user("ann").await;
        ann.subscribe("flooded").await;
        anns.push(ann);
    }
    let mut bob = broker.user("bob").await;
    let mut flood = Flood::start(&broker, "flooded").await;
    flood.reaches(50).await;
    let done = broker.order("/tenants/acme/users/ann/disconnect", Value::Null).await;
    let newest = flood.acknowledged() + 1;
    assert_eq!(done["affected"], 6);
    assert_eq!(
        broker.read("/tenants/acme/connections?user=ann").await["connections"],
        json!([])
    );
    flood.end().await;
    for ann in &mut anns {
        let (last, why) = before(ann, "disconnect").await;
        assert!(last <= newest, "{last} was published after {newest}");
        assert_eq!((&why["code"], &why["reconnect"]), (&json!(4504), &json!(false)));
        ann.expect_close(4504).await;
    }
    bob.still_works().await;
    broker.user("ann").await.still_works().await;
}

#[tokio::test]
async fn one_session_ends_with_the_code_of_the_call() {
    let broker = broker().await;
    let mut first = broker.user("ann").await;
    let mut second = broker.user("ann").await;
    let path = format!("/tenants/acme/sessions/{}/disconnect", first.session());
    assert_eq!(broker.order(&path, json!({ "code": 4321 })).await["affected"], 1);
    first.expect_disconnect(4321, "closed_by_operator", true).await;
    second.still_works().await;
    assert_eq!(broker.order(&path, json!({})).await["affected"], 0, "it is gone");
    let path = format!("/tenants/other/sessions/{}/disconnect", second.session());
    assert_eq!(broker.order(&path, json!({})).await["affected"], 0, "of another tenant");
    second.still_works().await;
    for code in [1000, 4000, 4505, 65_535] {
        let answer = broker.call("POST", &path, json!({ "code": code })).await;
        answer.problem(422, "bad_body");
    }
}

#[tokio::test]
async fn a_ban_ends_connections_and_refuses_new_ones_until_it_is_lifted() {
    let broker = broker().await;
    let mut ann = broker.user("a/n n").await;
    ann.subscribe("flooded").await;
    let mut bob = broker.user("bob").await;
    let mut flood = Flood::start(&broker, "flooded").await;
    flood.reaches(20).await;
    let path = "/tenants/acme/users/a%2Fn%20n/ban";
    let done = broker
        .call("PUT", path, json!({ "seconds": 3600, "reason": "spam" }))
        .await
        .ok();
    let newest = flood.acknowledged() + 1;
    assert_eq!(done["affected"], 1);
    flood.end().await;
    let (last, why) = before(&mut ann, "disconnect").await;
    assert!(last <= newest, "{last} was published after {newest}");
    assert_eq!((&why["code"], &why["reason"]), (&json!(4505), &json!("banned")));
    let dial = broker.dial("ann").token(&crate::support::token::of("a/n n"));
    let (error, mut refused) = dial.connect_refused(4451).await;
    assert!(
        error["retry_after_ms"].as_u64().is_some_and(|left| left > 3_500_000),
        "{error}"
    );
    refused.expect_close(4505).await;
    bob.still_works().await;
    // A later order replaces the earlier one.
    broker.call("PUT", path, json!({ "seconds": 60 })).await.ok();
    let (error, _) = dial.connect_refused(4451).await;
    assert!(
        error["retry_after_ms"].as_u64().is_some_and(|left| left <= 60_000),
        "{error}"
    );
    assert_eq!(broker.call("DELETE", path, Value::Null).await.ok()["affected"], 1);
    dial.connect().await.still_works().await;
    assert_eq!(broker.call("DELETE", path, Value::Null).await.ok()["affected"], 0);
    for seconds in [json!(0), json!(31_536_001), json!("1h"), json!(-1)] {
        broker
            .call("PUT", path, json!({ "seconds": seconds }))
            .await
            .problem(422, "bad_body");
    }
}
