//! Whatever becomes of the node that has a session, or of Redis, who asks another node is told.

use std::time::{Duration, Instant};

use super::{poller, still_works};
use crate::support::http_client::{EventReader, Poller, ask};
use crate::support::{Nodes, PATIENCE, Redis, eventually, json, token, within};

/// How soon it is told: long before a poll would be answered anyway.
const SOON: Duration = Duration::from_secs(20);
const LONG_POLL_MS: u64 = 55_000;

/// Polls until the answer is none, and gives its status.
async fn refused(mut poller: Poller) -> u16 {
    loop {
        let body = json!({ "session": poller.session, "ack": poller.ack, "wait_ms": LONG_POLL_MS });
        let answer = poller.raw(&[], &body).await;
        if answer.status != 200 {
            assert_eq!(
                answer.status == 503,
                answer.header("retry-after").is_some(),
                "{answer:?}"
            );
            return answer.status;
        }
        poller.take(answer);
    }
}

/// A client of the node 1 that polls at the node 0.
async fn polls_elsewhere(nodes: &Nodes) -> Poller {
    let mut ann = poller(&nodes[1], &["room:elsewhere"]).await;
    ann.address = nodes[0].address;
    still_works(&mut ann).await;
    // It may wait for so long and no longer, whatever it asks for.
    let mut body = ann.body(&[ask("ping", 1, json!({}))]);
    body["wait_ms"] = u64::MAX.into();
    let answer = ann.raw(&[], &body).await;
    assert_eq!(ann.take(answer)[0]["id"], 1);
    ann
}

#[tokio::test]
async fn a_poll_that_waits_at_another_node_hears_that_its_own_is_killed() {
    let redis = Redis::start().await;
    let mut nodes = Nodes::start(2, &redis.url()).await;
    let ann = polls_elsewhere(&nodes).await;
    let events = EventReader::open(nodes[1].address, None, "channels=elsewhere", &[]).await;
    let polling = tokio::spawn(refused(ann));
    nodes.kill(1).await;
    let killed = Instant::now();
    let status = within(polling, || "the poll is not answered".into()).await;
    assert_eq!(status.expect("it polls"), 410);
    assert!(killed.elapsed() < SOON, "after {:?}", killed.elapsed());
    let ping = json!([{ "type": "ping", "id": 1 }]);
    let send = nodes[0]
        .ask("POST", "/send")
        .header("Sluicegate-Session", &events.credential());
    assert_eq!(send.json(&ping).answer().await.status, 410);
}

#[tokio::test]
async fn every_node_knows_whose_key_it_is_and_a_ticket_is_good_at_one_of_them_once() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let events = EventReader::open(nodes[1].address, None, "channels=elsewhere", &[]).await;
    let session = events.welcome["session"].as_str().expect("a session");
    for node in nodes.running() {
        for (credential, expected) in [
            (events.credential(), 200),
            (format!("{session}.guess"), 401),
            ("nobody.guess".into(), 410),
        ] {
            let send = node.ask("POST", "/send").header("Sluicegate-Session", &credential);
            let answer = send.json(&json!([])).answer().await;
            assert_eq!(answer.status, expected, "{credential}");
        }
    }
    let ann = token::of("ann");
    let ticket = nodes[0].ticket("keyed", &ann).await;
    let target = format!("/t/keyed/sse?channels=room:t&ticket={ticket}");
    assert_eq!(nodes[1].ask("GET", &target).status().await, 200);
    for node in nodes.running() {
        assert_eq!(node.ask("GET", &target).status().await, 401);
        let resumed = node.ask("GET", &target).header("Last-Event-ID", "1-e");
        assert_eq!(resumed.status().await, 200);
    }
    for key in redis.keys("*").await {
        let kept = format!("{key} {:?}", redis.run(&["DUMP", &key]).await);
        assert!(!kept.contains(&ticket) && !kept.contains(&ann), "{kept}");
    }
}

#[tokio::test]
async fn while_redis_is_away_it_is_said_so_and_nobody_gets_in_by_a_ticket() {
    let mut redis = Redis::with_aof().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let mut ann = polls_elsewhere(&nodes).await;
    let mut own = poller(&nodes[1], &[]).await;
    let ticket = nodes[0].ticket("keyed", &token::of("ann")).await;
    let mut waiting = Poller::new(ann.address);
    (waiting.session, waiting.ack) = (ann.session.clone(), ann.ack);
    let polling = tokio::spawn(refused(waiting));
    redis.kill().await;
    let cut = Instant::now();
    let status = within(polling, || "the poll is not answered".into()).await;
    assert_eq!(status.expect("it polls"), 503);
    assert!(cut.elapsed() < SOON, "after {:?}", cut.elapsed());
    let body = json!({ "session": ann.session, "ack": ann.ack, "wait_ms": 0 });
    for (what, asked) in [
        (
            "a ticket",
            nodes[0].ask("POST", "/t/keyed/ticket").bearer(&token::of("bob")),
        ),
        ("a post", nodes[0].ask("POST", "/poll").json(&body)),
    ] {
        let answer = asked.answer().await;
        assert_eq!(answer.status, 503, "{what}: {answer:?}");
        assert!(answer.header("retry-after").is_some(), "{what}: {answer:?}");
    }
    let target = format!("/t/keyed/ws?ticket={ticket}");
    assert_eq!(nodes[0].dial("ann").path(&target).refused().await.status, 503);
    // Its own node needs no Redis for it.
    still_works(&mut own).await;
    redis.restart().await;
    eventually(PATIENCE, "the way between nodes", async || {
        let answer = ann.raw(&[], &body).await;
        (answer.status == 200).then(|| ann.take(answer))
    })
    .await;
    still_works(&mut ann).await;
}
