//! The registry of a cluster against a real `redis-server`, with several nodes in one process.

mod abandoned;
mod nodes;
mod owners;
mod revocations;

use std::task::Poll;
use std::time::Instant;

use super::*;
use crate::ban_list::BannedBy;
use crate::ban_order::BanChange;
use crate::ban_order::DELIVER_FOR;
use crate::ban_order::tests::{as_ordered, orders, permutations};
use crate::ban_subject::BanSubject;
use crate::bans::BansFull;
use futures_util::future::join_all;
use nodes::{Unknown, node, node_among, start};
use redis_client::testing::TestServer;

fn request(session: usize, user: Option<&str>) -> AdmissionRequest {
    AdmissionRequest {
        tenant: "acme".into(),
        user: user.map(Arc::from),
        token: TokenClaims::default(),
        remote: "192.0.2.1".parse().unwrap(),
        session: format!("s{session}").into(),
        transport: "websocket",
        key: None,
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
    node.record(order, 100).await.unwrap()
}

fn ann() -> BanSubject {
    BanSubject::User("ann".into())
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
    let name = node.ban_name("acme", &ann());
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
    let name = node.ban_name("acme", &ann());
    let mut ttl = redis_client::cmd("PTTL");
    ttl.arg(&name);
    let ttl = node.servers.run(name.as_bytes(), &ttl).await.unwrap();
    let Value::Int(ttl) = ttl else { panic!("{ttl:?}") };
    assert!(u128::try_from(ttl).unwrap() > DELIVER_FOR.as_millis());
}

/// A ban of `subject` that is given now, the later the higher its number.
fn ban(number: u64, subject: BanSubject, change: BanChange) -> BanOrder {
    BanOrder {
        tenant: "acme".into(),
        subject,
        stamp: OrderStamp {
            time_ms: number,
            ..OrderStamp::default()
        },
        change,
        given: Instant::now(),
    }
}

fn user(number: u64) -> BanSubject {
    BanSubject::User(format!("u{number}").into())
}

async fn keys(node: &RedisCluster, kind: &str) -> usize {
    let mut count = redis_client::cmd("EVAL");
    count.arg("return #redis.call('KEYS', ARGV[1])").arg(0).arg(kind);
    let count = node.servers.run(b"", &count).await.unwrap();
    let Value::Int(count) = count else { panic!("{count:?}") };
    usize::try_from(count).unwrap()
}

/// How a ban is changed, by its length.
type Change = fn(Duration) -> BanChange;

/// As `a_full_table_keeps_what_it_must_and_looks_at_a_few` in memory.
#[tokio::test]
async fn a_tenant_has_so_many_bans_and_a_plugin_pushes_out_none_of_the_operators() {
    const AT_MOST: usize = 20;
    let minute = Duration::from_mins(1);
    let long = Duration::from_secs(1 << 32);
    let (plugin, operator): (Change, Change) = (BanChange::Extend, BanChange::Replace);
    let cases = [
        ("a flood against the operator's ban", plugin, long, operator, true),
        ("a flood against a shorter one of a plugin", plugin, long, plugin, false),
        (
            "a flood of short ones against a longer one",
            plugin,
            minute / 60,
            plugin,
            true,
        ),
        (
            "the operator's flood against the operator's",
            operator,
            long,
            operator,
            true,
        ),
        ("the operator's flood against a plugin's", operator, long, plugin, false),
    ];
    for (attack, with, length, by, stays) in cases {
        let server = TestServer::start();
        let node = node(&server, "a").await;
        let mut others = ban(1, ann(), BanChange::Extend(minute));
        others.tenant = "other".into();
        node.record(&others, AT_MOST).await.unwrap();
        node.record(&ban(1, ann(), by(minute)), AT_MOST).await.unwrap();
        let mut full = 0;
        for n in 0..5 * AT_MOST as u64 {
            match node.record(&ban(2 + n, user(n), with(length)), AT_MOST).await {
                Ok(_) => {}
                Err(NotRecorded::Full(BansFull { limit: AT_MOST, .. })) => full += 1,
                Err(error) => panic!("{attack}: {error}"),
            }
        }
        assert_eq!(!ban_left(&node).await.is_zero(), stays, "{attack}");
        assert_eq!(keys(&node, "sg:{acme}:ban:*").await, AT_MOST, "{attack}");
        assert_eq!(keys(&node, "sg:{other}:ban:*").await, 1, "{attack}");
        assert_eq!(
            node.bans(BanKind::Bans, "acme", None, 100).await.unwrap().len(),
            AT_MOST,
            "{attack}"
        );
        if attack.starts_with("the operator") {
            assert!(full >= 4 * AT_MOST, "{attack}: the operator is told, {full} times");
            node.record(&ban(1000, user(0), BanChange::Lift), AT_MOST)
                .await
                .unwrap();
            node.record(&ban(1001, user(9999), operator(minute)), AT_MOST)
                .await
                .expect("what was lifted makes room");
        }
    }
}

#[tokio::test]
async fn bans_are_listed_page_by_page_as_in_memory() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    let registry = crate::Registry::default();
    for n in 0..60 {
        let length = Duration::from_mins(n / 4);
        let change = match n % 3 {
            0 => BanChange::Replace(length),
            _ => BanChange::Extend(length),
        };
        let subject = match n % 2 {
            0 => user(n),
            _ => BanSubject::Address(format!("2001:db8:0:{n}::1").parse().unwrap()),
        };
        let order = ban(1, subject, change);
        node.record(&order, 100).await.unwrap();
        registry.apply(&order).unwrap();
    }
    let all = node.bans(BanKind::Bans, "acme", None, 100).await.unwrap();
    assert!(all.is_sorted_by_key(|entry| (entry.by, entry.until_ms)));
    let in_memory = registry.bans(BanKind::Bans, "acme", None, 100).await.unwrap();
    let mut listed: Vec<_> = all.iter().map(|entry| (entry.by, entry.subject.clone())).collect();
    let mut expected: Vec<_> = in_memory
        .iter()
        .map(|entry| (entry.by, entry.subject.clone()))
        .collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    assert!(all.iter().any(|entry| entry.by == BannedBy::Operator));
    for limit in [1, 3, 55, 56, 57] {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = node.bans(BanKind::Bans, "acme", after.as_ref(), limit).await.unwrap();
            assert!(page.len() <= limit);
            seen.extend(page.iter().cloned());
            after = page.last().and_then(|last| BanEntry::at(&last.cursor()));
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
}

#[tokio::test]
async fn an_address_is_banned_for_those_without_a_user_until_that_is_lifted() {
    let server = TestServer::start();
    let nodes = [node(&server, "a").await, node(&server, "b").await];
    let limits = limits(10, 10);
    let subject = request(1, None).subject();
    let minute = Duration::from_mins(1);
    nodes[0]
        .record(&ban(1, subject.clone(), BanChange::Extend(minute)), 100)
        .await
        .unwrap();
    let refused = nodes[1].admit(request(1, None), &limits).await;
    assert!(matches!(refused, Err(AdmissionError::Banned(_))), "{refused:?}");
    assert_eq!(nodes[1].admit(request(2, Some("ann")), &limits).await, Ok(()));
    let mut elsewhere = request(3, None);
    elsewhere.remote = "192.0.2.2".parse().unwrap();
    assert_eq!(nodes[1].admit(elsewhere, &limits).await, Ok(()));
    nodes[1].record(&ban(2, subject, BanChange::Lift), 100).await.unwrap();
    assert_eq!(nodes[0].admit(request(4, None), &limits).await, Ok(()));
    assert_eq!(nodes[0].bans(BanKind::Bans, "acme", None, 10).await, Ok(Vec::new()));
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
