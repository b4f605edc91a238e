//! What plugins are told while Redis is away, and how soon.

use std::thread;
use std::time::{Duration, Instant};

use super::node::{Node, patient, usual};
use crate::{Kv, KvError};
use redis_client::testing::TestServer;

/// Far below any wait that a store that does not answer could cause, far over what a busy machine adds.
const AT_ONCE: Duration = Duration::from_millis(250);

#[test]
fn without_redis_values_are_unavailable_and_limits_are_the_nodes_own() {
    let mut server = TestServer::start();
    let nodes = [Node::start(&server), Node::start(&server)];
    assert_eq!(nodes[0].take("ann", 0.001, 10, &mut patient()), Ok(()));
    server.kill();
    // The first to ask may be the one to find out.
    for node in &nodes {
        while node.kv.get("k", &mut patient()).is_ok() {}
    }
    let start = Instant::now();
    for node in &nodes {
        for _ in 0..1000 {
            assert_eq!(node.kv.get("k", &mut patient()), Err(KvError::Unavailable));
        }
        assert_eq!(node.kv.set("k", b"", None, &mut patient()), Err(KvError::Unavailable));
        assert_eq!(node.kv.delete("k", &mut patient()), Err(KvError::Unavailable));
        assert_eq!(
            node.kv.increment("k", 1, None, &mut patient()),
            Err(KvError::Unavailable)
        );
    }
    let allowed = |node: &Node| {
        (0..20)
            .filter(|_| node.take("ann", 0.001, 10, &mut patient()).is_ok())
            .count()
    };
    assert_eq!(
        allowed(&nodes[0]),
        9,
        "what the bucket was known to have is what is left"
    );
    assert_eq!(allowed(&nodes[1]), 10, "the whole limit of a bucket that it never saw");
    assert!(
        start.elapsed() < AT_ONCE,
        "nobody waited for Redis: {:?}",
        start.elapsed()
    );
    server.start_again();
    for node in &nodes {
        node.heals();
    }
    nodes[0].kv.set("k", b"1", None, &mut patient()).unwrap();
    assert_eq!(nodes[1].kv.get("k", &mut patient()), Ok(Some(b"1".to_vec())));
    // Redis forgot the token that was taken before, and nothing else is left of the ten.
    let passed: usize = nodes.iter().map(|node| node.settles(|| allowed(node))).sum();
    assert!(passed <= 1, "what was spent alone is settled, and {passed} pass");
    assert_eq!(nodes.iter().map(allowed).sum::<usize>(), 0);
    assert_eq!(nodes[0].take("bob", 0.001, 1, &mut patient()), Ok(()));
    assert!(
        nodes[1].take("bob", 0.001, 1, &mut patient()).is_err(),
        "one limit again"
    );
}

#[test]
fn who_waits_in_vain_waits_once() {
    let server = TestServer::start();
    let node = Node::start(&server);
    node.take("ann", 1.0, 10, &mut patient()).unwrap();
    server.signal("STOP");
    let start = Instant::now();
    assert_eq!(node.kv.get("k", &mut usual()), Err(KvError::Unavailable));
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..1000 {
        assert_eq!(node.kv.get("k", &mut usual()), Err(KvError::Unavailable));
        let _either = node.take("ann", 1.0, 10, &mut usual());
        let _either = node.take("eve", 1.0, 10, &mut usual());
    }
    assert!(start.elapsed() < AT_ONCE, "3,000 calls took {:?}", start.elapsed());
    server.signal("CONT");
    node.heals();
}

#[test]
fn a_bucket_that_is_asked_in_vain_is_the_nodes_own_for_the_moment() {
    let server = TestServer::start();
    let node = Node::start(&server);
    for _ in 0..4 {
        node.take("ann", 0.001, 10, &mut patient()).unwrap();
    }
    server.signal("STOP");
    let allowed = (0..20)
        .filter(|_| node.take("ann", 0.001, 10, &mut usual()).is_ok())
        .count();
    assert_eq!(allowed, 6);
    server.signal("CONT");
    node.heals();
    // The next look settles what was spent meanwhile.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(600) {
        assert!(node.take("ann", 0.001, 10, &mut patient()).is_err());
        thread::sleep(Duration::from_millis(20));
    }
}
