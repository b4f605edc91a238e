//! The registry of a cluster against a real `redis-server`, with several nodes in one process.

use std::task::Poll;

use super::*;
use crate::ban_order::DELIVER_FOR;
use crate::ban_order::tests::{as_ordered, orders, permutations};
use redis_client::testing::TestServer;

async fn node(server: &TestServer, name: &str) -> Arc<RedisCluster> {
    let servers = Topology::connect(server.settings());
    while !servers.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    RedisCluster::start(servers, "sg", &name.into(), &Handle::current())
}

fn request(session: usize, user: Option<&str>) -> AdmissionRequest {
    AdmissionRequest {
        tenant: "acme".into(),
        user: user.map(Arc::from),
        session: format!("s{session}").into(),
        transport: "websocket",
    }
}

fn limits(connections: usize, connections_per_user: usize) -> Limits {
    Limits {
        connections,
        connections_per_user,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_race_over_three_nodes_fills_every_place_and_no_more() {
    let server = TestServer::start();
    let nodes = [
        node(&server, "a").await,
        node(&server, "b").await,
        node(&server, "c").await,
    ];
    for (limits, user, expected) in [(limits(10, 100), None, 10), (limits(100, 7), Some("ann"), 7)] {
        let race = (0..100).map(|n| nodes[n % 3].admit(request(n, user), &limits));
        let admitted = join_all(race).await;
        assert_eq!(admitted.iter().filter(|turned| turned.is_ok()).count(), expected);
        for n in 0..100 {
            nodes[n % 3].release(&request(n, user).session);
        }
        let full = || nodes.iter().any(|node| !node.sessions.lock().unreleased.is_empty());
        while full() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(
        nodes[0].admit(request(1, Some("ann")), &limits(1, 1)).await.is_ok(),
        "all was given back"
    );
}

async fn record(node: &RedisCluster, order: &BanOrder) -> Option<OrderStamp> {
    node.record(order).await.unwrap()
}

/// What is left of the ban of `ann`.
async fn ban_left(node: &RedisCluster) -> Duration {
    match node.admit(request(1, Some("ann")), &limits(10, 10)).await {
        Err(AdmissionError::Banned(left)) => left,
        other => {
            assert_eq!(other, Ok(()));
            Duration::ZERO
        }
    }
}

async fn forget_bans(node: &RedisCluster) {
    let mut forget = redis_client::cmd("DEL");
    let name = node.ban_name("acme", "ann");
    forget.arg(&name);
    node.servers.run(name.as_bytes(), &forget).await.unwrap();
}

/// Time that a test may take, beside the minutes that tell one ban from another.
const SLACK: Duration = Duration::from_secs(50);

#[tokio::test]
async fn whatever_the_sequence_of_arrival_bans_end_as_they_were_ordered() {
    let server = TestServer::start();
    let nodes = [node(&server, "a").await, node(&server, "b").await];
    let mut sequences = Vec::new();
    let orders = orders(Instant::now());
    for length in [1, 2, 3] {
        permutations(&orders, length, &mut |arrived| sequences.push(arrived.to_vec()));
    }
    let mut number = 0;
    permutations(&orders, orders.len(), &mut |arrived| {
        // One in 83 of the 5,040; 83 is prime, so they differ in every place.
        number += 1;
        if number % 83 == 0 {
            sequences.push(arrived.to_vec());
        }
    });
    assert!(sequences.len() > 300);
    for arrived in &sequences {
        forget_bans(&nodes[0]).await;
        for (order, node) in arrived.iter().zip(nodes.iter().cycle()) {
            record(node, order).await;
        }
        let (expected, left) = (as_ordered(arrived), ban_left(&nodes[1]).await);
        assert!(
            left <= expected && left + SLACK > expected,
            "{left:?} instead of {expected:?} after {arrived:?}"
        );
    }
}

#[tokio::test]
async fn an_order_that_is_too_late_hears_of_the_later_one_and_one_said_again_does_not() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    let orders = orders(Instant::now());
    let [earlier, later] = [&orders[0], &orders[2]];
    assert_eq!(record(&node, later).await, None);
    assert_eq!(record(&node, earlier).await, Some(later.stamp.clone()));
    assert_eq!(record(&node, later).await, None);
    assert_eq!(record(&node, &orders[3]).await, None, "it extends what was replaced");
}

#[tokio::test]
async fn orders_of_one_millisecond_are_told_apart_as_here() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    let stamp = |sequence, instance: &str| OrderStamp {
        time_ms: 1_795_326_349_120,
        sequence,
        instance: instance.into(),
    };
    let mut stamps = [
        stamp(1, "node-1~a"),
        stamp(0, "node-1~b"),
        stamp(0, "node-1~a"),
        stamp(0, "Node-1~c"),
        stamp(0, "node-1"),
        stamp(10, "a"),
    ];
    stamps.sort();
    let template = orders(Instant::now()).remove(0);
    let order = |stamp: &OrderStamp| BanOrder {
        stamp: stamp.clone(),
        ..template.clone()
    };
    for (one, other) in stamps.iter().zip(&stamps[1..]) {
        forget_bans(&node).await;
        assert_eq!(record(&node, &order(other)).await, None);
        assert_eq!(
            record(&node, &order(one)).await,
            Some(other.clone()),
            "{one:?} is earlier"
        );
    }
}

#[tokio::test]
async fn a_lift_is_remembered_for_longer_than_orders_are_kept_for_delivery() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    record(&node, &orders(Instant::now())[5]).await;
    let name = node.ban_name("acme", "ann");
    let mut ttl = redis_client::cmd("PTTL");
    ttl.arg(&name);
    let ttl = node.servers.run(name.as_bytes(), &ttl).await.unwrap();
    let Value::Int(ttl) = ttl else { panic!("{ttl:?}") };
    assert!(u128::try_from(ttl).unwrap() > DELIVER_FOR.as_millis());
}

#[tokio::test]
async fn a_node_is_listed_as_soon_as_it_may_be() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    let listed = async || {
        let name = node.node_name();
        let mut get = redis_client::cmd("HGET");
        get.arg(&name).arg("connections");
        node.servers.run(name.as_bytes(), &get).await.unwrap()
    };
    assert_eq!(listed().await, Value::Nil, "its name may be another's");
    node.announce();
    let since = Instant::now();
    while listed().await == Value::Nil {
        assert!(since.elapsed() < RENEW_EVERY / 2);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_session_that_waits_for_its_admission_is_not_renewed() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    let limits = limits(1, 1);
    let mut waiting = node.admit(request(1, None), &limits);
    let first = std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await;
    assert!(first.is_pending());
    assert!(node.sessions.lock().admitted().is_empty());
    waiting.await.unwrap();
    assert_eq!(node.sessions.lock().admitted().len(), 1);
}

#[tokio::test]
async fn without_redis_the_nodes_own_count_decides() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    drop(server);
    assert_eq!(node.admit(request(1, Some("ann")), &limits(10, 10)).await, Ok(()));
}
