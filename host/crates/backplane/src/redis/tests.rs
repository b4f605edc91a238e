//! The conformance suite against a real `redis-server`.

mod numbers;
mod partitions;
mod publish_queues;
mod unused;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use redis_client::testing::{Deaf, Stalling, TestServer};
use redis_client::{ClientSettings, Topology};

use super::codec;
use super::redis_backplane::RedisBackplane;
use super::scripts::PUBLISH;
use crate::BackplaneMetrics;
use crate::conformance::{ANY, Bench, member, options, suite, topic, with_history};
use crate::{
    Backplane, Envelope, HistoryRange, Inbox, InboxReceiver, InstanceName, Interest, Nodes, Publication, PublishOptions,
};
use config::{ChannelSettings, RedisSettings, RedisUrl};
use protocol::Position;
use protocol::names::Topic;
use wall_clock::now_ms;

/// Settings of a node; where Redis is stands in those of its client.
fn settings() -> RedisSettings {
    RedisSettings {
        url: RedisUrl::parse("redis://localhost").unwrap(),
        prefix: "sg".into(),
        timeout: Duration::from_secs(1),
        position_check: Duration::from_secs(30),
        replicas: 0,
        partitions: 256,
        sentinel_login: None,
        tls: None,
    }
}

fn start(
    client: ClientSettings,
    settings: &RedisSettings,
    name: &str,
    inboxes: Vec<Arc<Inbox>>,
) -> (RedisBackplane, mpsc::Receiver<Bytes>) {
    RedisBackplane::start(
        Topology::connect(client),
        settings,
        InstanceName::new(name, None),
        inboxes,
        BackplaneMetrics::unregistered(),
    )
}

/// A node of two shards.
async fn node(server: &TestServer) -> Bench {
    benched(server).await.1
}

/// A node, and what is seen of it.
async fn benched(server: &TestServer) -> (Arc<RedisBackplane>, Bench) {
    let (redis, inboxes) = connected(server).await;
    let backplane = redis.clone();
    (redis, Bench { backplane, inboxes })
}

async fn connected(server: &TestServer) -> (Arc<RedisBackplane>, Vec<InboxReceiver>) {
    connected_with(server.settings(), settings()).await
}

async fn connected_with(client: ClientSettings, settings: RedisSettings) -> (Arc<RedisBackplane>, Vec<InboxReceiver>) {
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..2).map(|_| Inbox::with_places(4096)).unzip();
    let (backplane, _) = start(client, &settings, "n", senders);
    let backplane = Arc::new(backplane);
    while !backplane.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (backplane, inboxes)
}

/// Accepts a message that no node hears of: what a lost connection looks like afterwards.
async fn publish_unheard(backplane: &RedisBackplane, topic: &Topic, data: String) {
    let inner = &backplane.0;
    let names = &inner.table.names;
    let message = Publication::new(topic.clone(), inner.unique(), data.into(), None, None, Vec::new());
    let place = names.place(topic);
    let call = PUBLISH
        .call([place.clone(), names.stream(topic), place])
        .run()
        .arg(&*inner.unique())
        .arg("PUBLISH")
        .arg(now_ms())
        .arg(0)
        .arg("nobody")
        .arg(codec::encode(&message))
        .arg("id")
        .arg(10_000)
        .arg(60_000)
        .arg(0);
    inner.topology.call(&call).await.unwrap();
}

#[tokio::test]
async fn a_long_hole_is_filled_in_parts_and_in_order() {
    let server = TestServer::start();
    let (redis, mut bench) = benched(&server).await;
    let (topic, settings) = (topic("hole"), with_history(10_000));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    redis.history(&topic, &settings, HistoryRange::default()).await.unwrap();
    let expected: Vec<_> = (1..=700).map(|n| n.to_string()).collect();
    for n in &expected[..699] {
        publish_unheard(&redis, &topic, n.clone()).await;
    }
    bench.publish(&topic, "700", options(&settings)).await;
    let mut received = Vec::new();
    while received.len() < expected.len() {
        received.extend(bench.received(0).await);
    }
    assert_eq!(received, expected);
}

#[tokio::test]
async fn a_hole_that_the_history_no_longer_has_is_told() {
    let server = TestServer::start();
    let (redis, mut bench) = benched(&server).await;
    let (topic, settings) = (topic("gone"), with_history(3));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    redis.history(&topic, &settings, HistoryRange::default()).await.unwrap();
    for n in 1..=9 {
        publish_unheard(&redis, &topic, n.to_string()).await;
    }
    bench.publish(&topic, "10", options(&settings)).await;
    let mut received = Vec::new();
    while received.is_empty() {
        received = bench.received(0).await;
    }
    assert_eq!(received, ["lost acme/gone"]);
    bench.publish(&topic, "11", options(&settings)).await;
    assert_eq!(bench.received(0).await, ["11"], "it goes on for whoever comes");
}

#[tokio::test]
async fn a_recovery_of_too_many_bytes_is_none_and_a_page_is_cut() {
    let server = TestServer::start();
    let (redis, _inboxes) = connected(&server).await;
    let (topic, settings) = (topic("large"), with_history(10_000));
    let text = format!("\"{}\"", "x".repeat(65_000));
    for _ in 0..150 {
        publish_unheard(&redis, &topic, text.clone()).await;
    }
    let newest = redis
        .history(&topic, &settings, HistoryRange::default())
        .await
        .unwrap()
        .newest;
    let all = HistoryRange {
        since: Some(Position { offset: 0, ..newest }),
        ..HistoryRange::default()
    };
    assert!(!redis.history(&topic, &settings, all.clone()).await.unwrap().whole);
    let page = HistoryRange {
        limit: Some(1000),
        ..all
    };
    let page = redis.history(&topic, &settings, page).await.unwrap();
    assert!(page.whole && (1..150).contains(&page.messages.len()));
}

#[tokio::test]
async fn without_redis_nothing_waits() {
    let mut server = TestServer::start();
    let (redis, _inboxes) = connected(&server).await;
    server.kill();
    while redis.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (topic, settings) = (topic("down"), with_history(10));
    assert!(redis.join(&topic, &settings, &ANY, 0).await.is_err());
    assert!(redis.enter(&topic, &settings, &member("s")).await.is_err());
    assert!(redis.history(&topic, &settings, HistoryRange::default()).await.is_err());
    assert!(redis.topics().is_empty(), "the join is taken back");
}

#[tokio::test]
async fn keeps_the_contract() {
    let server = TestServer::start();
    suite(node(&server).await).await;
}

#[tokio::test]
async fn notes_reach_one_or_all() {
    let server = TestServer::start();
    let start = |name| start(server.settings(), &settings(), name, Vec::new());
    let ((one, mut to_one), (two, mut to_two)) = (start("one"), start("two"));
    while !(one.is_up() && two.is_up() && one.live().await.is_ok_and(|live| live.len() == 2)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    one.send(None, b"all".to_vec()).await.unwrap();
    one.send(Some(two.instance()), b"two".to_vec()).await.unwrap();
    one.send(Some(one.instance()), b"one".to_vec()).await.unwrap();
    assert_eq!(
        [to_one.recv().await, to_one.recv().await],
        [Some("all".into()), Some("one".into())]
    );
    assert_eq!(
        [to_two.recv().await, to_two.recv().await],
        [Some("all".into()), Some("two".into())]
    );
}

#[tokio::test]
async fn a_loss_in_a_quiet_channel_is_found() {
    let server = TestServer::start();
    let quick = RedisSettings {
        position_check: Duration::from_secs(1),
        ..settings()
    };
    let (redis, mut inboxes) = connected_with(server.settings(), quick).await;
    let (topic, settings) = (topic("quiet"), with_history(10));
    let backplane: Arc<dyn Backplane> = redis.clone();
    let _seat = Interest::join(&backplane, &topic, &settings, &ANY, 0).await.unwrap();
    redis.history(&topic, &settings, HistoryRange::default()).await.unwrap();
    publish_unheard(&redis, &topic, "1".into()).await;
    let found = tokio::time::timeout(Duration::from_secs(10), inboxes[0].next()).await;
    let Ok(Envelope::Message(found)) = found else {
        panic!("{found:?}")
    };
    assert_eq!(&*found.data, b"1");
}

#[tokio::test]
async fn a_subscription_that_is_dead_on_a_live_socket_is_found() {
    let server = TestServer::start();
    let mut way = Deaf::before(&server).await;
    // Only the probe can find it: quiet channels are looked into much later.
    let quick = RedisSettings {
        timeout: Duration::from_millis(200),
        position_check: Duration::from_hours(1),
        ..settings()
    };
    let (redis, mut inboxes) = connected_with(way.settings(quick.timeout), quick).await;
    let (topic, settings) = (topic("deaf"), with_history(10));
    let backplane: Arc<dyn Backplane> = redis.clone();
    let _seat = Interest::join(&backplane, &topic, &settings, &ANY, 0).await.unwrap();
    redis.history(&topic, &settings, HistoryRange::default()).await.unwrap();
    way.deafen();
    let bench = Bench {
        backplane,
        inboxes: Vec::new(),
    };
    bench.publish(&topic, "1", options(&settings)).await;
    way.cure().await;
    let found = tokio::time::timeout(Duration::from_secs(10), inboxes[0].next()).await;
    let Ok(Envelope::Message(found)) = found else {
        panic!("{found:?}")
    };
    assert_eq!(&*found.data, b"1");
}

#[tokio::test]
async fn ten_thousand_members_are_one_answer() {
    let server = TestServer::start();
    let (redis, _inboxes) = connected(&server).await;
    let (topic, settings) = (topic("crowd"), with_history(10));
    let sessions: Vec<_> = (0..10_000).map(|n| member(&format!("s{n}"))).collect();
    let entered = sessions
        .iter()
        .map(|member| redis.0.presence.enter(&topic, &settings, member));
    for entered in entered.collect::<Vec<_>>() {
        entered.await.unwrap();
    }
    let commands = async || {
        let mut info = redis_client::cmd("INFO");
        let answer = redis.0.topology.run(b"x", info.arg("commandstats")).await.unwrap();
        let answer: String = redis_client::from_redis_value(answer).unwrap();
        let line = answer
            .lines()
            .find(|line| line.starts_with("cmdstat_hgetall:"))
            .unwrap_or_default()
            .to_owned();
        line.split(['=', ','])
            .nth(1)
            .map_or(0, |calls| calls.parse::<u32>().unwrap())
    };
    let before = commands().await;
    assert_eq!(redis.members(&topic).await.unwrap().members.len(), sessions.len());
    assert_eq!(commands().await, before + 1);
}

#[tokio::test]
async fn only_topics_with_sessions_are_marked_as_the_nodes() {
    let server = TestServer::start();
    let (redis, _inboxes) = connected(&server).await;
    let settings = with_history(10);
    let marked = async || {
        let presences = redis.0.table.names.presences(&redis.0.instance);
        let mut count = redis_client::cmd("SCARD");
        let answer = redis.0.topology.run(b"", count.arg(presences)).await.unwrap();
        redis_client::from_redis_value::<usize>(answer).unwrap()
    };
    let topics: Vec<_> = (0..700).map(|n| topic(&format!("room-{n}"))).collect();
    let (ann, bob) = (member("ann"), member("bob"));
    for topic in &topics {
        drop(redis.0.presence.enter(topic, &settings, &ann));
    }
    redis.enter(&topics[0], &settings, &bob).await.unwrap();
    assert!(redis.0.presence.settled().await);
    assert_eq!(marked().await, topics.len());
    for topic in &topics {
        redis.exit(topic, &settings, &ann);
    }
    // Gone and back at once: it stays.
    redis.enter(&topics[1], &settings, &ann).await.unwrap();
    assert!(redis.0.presence.settled().await);
    assert_eq!(marked().await, 2, "bob's and the one to which ann came back");
    redis.exit(&topics[0], &settings, &bob);
    redis.exit(&topics[1], &settings, &ann);
    assert!(redis.0.presence.settled().await);
    assert_eq!(marked().await, 0);
}

#[tokio::test]
async fn where_nothing_was_said_nothing_is_lost_with_redis() {
    let mut server = TestServer::start();
    let (redis, mut bench) = benched(&server).await;
    let (silent, spoken, settings) = (topic("silent"), topic("spoken"), with_history(10));
    let mut seats = Vec::new();
    for topic in [&silent, &spoken] {
        seats.push(
            Interest::join(&bench.backplane, topic, &settings, &ANY, 0)
                .await
                .unwrap(),
        );
        redis.history(topic, &settings, HistoryRange::default()).await.unwrap();
    }
    bench.publish(&spoken, "1", options(&settings)).await;
    assert_eq!(bench.received(0).await, ["1"]);
    server.kill();
    server.start_again();
    let told = tokio::time::timeout(Duration::from_secs(10), bench.inboxes[0].next()).await;
    assert!(matches!(told, Ok(Envelope::Lost(topic)) if topic == spoken));
    bench.publish(&silent, "first", options(&settings)).await;
    assert_eq!(bench.received(0).await, ["first"]);
}

#[tokio::test]
async fn a_history_that_is_slow_to_come_holds_up_no_publish() {
    let server = TestServer::start();
    let way = Stalling::before(&server, 1_000_000).await;
    let quick = RedisSettings {
        timeout: Duration::from_millis(200),
        ..settings()
    };
    let (redis, _inboxes) = connected_with(way.settings(quick.timeout), quick).await;
    let (large, small, settings) = (topic("large"), topic("small"), with_history(10_000));
    let text = format!("\"{}\"", "x".repeat(65_000));
    for _ in 0..50 {
        publish_unheard(&redis, &large, text.clone()).await;
    }
    let bench = Bench {
        backplane: redis.clone(),
        inboxes: Vec::new(),
    };
    let mut reading = std::pin::pin!(redis.history(&large, &settings, HistoryRange::default()));
    let read = loop {
        tokio::select! {
            biased;
            read = &mut reading => break read,
            published = bench.ask(&small, "x", options(&settings)) => assert!(published.is_ok(), "{published:?}"),
        }
        assert!(redis.is_up());
    };
    assert!(read.is_err(), "it never came whole");
    let page = redis.history(&small, &settings, HistoryRange::default()).await;
    assert!(page.is_ok(), "the next reading has a connection that works: {page:?}");
}
