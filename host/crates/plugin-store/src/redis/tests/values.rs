//! One store of values over three nodes.

use std::thread;
use std::time::{Duration, Instant};

use super::node::{Node, patient};
use crate::{BYTES, KEYS};
use crate::{Kv, KvError};
use redis_client::testing::TestServer;

const SHORT: Option<Duration> = Some(Duration::from_millis(30));

fn set(node: &Node, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError> {
    node.kv.set(key, value, ttl, &mut patient())
}

fn get(node: &Node, key: &str) -> Option<Vec<u8>> {
    node.kv.get(key, &mut patient()).unwrap()
}

fn increment(node: &Node, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KvError> {
    node.kv.increment(key, by, ttl, &mut patient())
}

fn gone_soon(node: &Node, key: &str) {
    let start = Instant::now();
    while get(node, key).is_some() {
        assert!(start.elapsed() < Duration::from_secs(5), "{key} expires");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_one_node_writes_the_others_read() {
    let server = TestServer::start();
    let (a, b) = (Node::start(&server), Node::start(&server));
    for value in [&b"1"[..], b"", b"=", b"\0\xff"] {
        set(&a, "k", value, None).unwrap();
        assert_eq!(get(&b, "k").as_deref(), Some(value));
    }
    b.kv.delete("k", &mut patient()).unwrap();
    b.kv.delete("k", &mut patient()).unwrap();
    assert_eq!(get(&a, "k"), None);
}

#[test]
fn values_end() {
    let server = TestServer::start();
    let (a, b) = (Node::start(&server), Node::start(&server));
    set(&a, "k", b"1", SHORT).unwrap();
    gone_soon(&b, "k");
    set(&a, "k", b"1", Some(Duration::MAX)).unwrap();
    assert!(get(&b, "k").is_some(), "past the end of all clocks is for ever");
    set(&a, "k", b"1", Some(Duration::ZERO)).unwrap();
    assert_eq!(get(&b, "k"), None);
}

#[test]
fn counters_of_three_nodes_are_exact() {
    let server = TestServer::start();
    let nodes = [(); 3].map(|()| Node::start(&server));
    thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(move || {
                for _ in 0..200 {
                    increment(node, "n", 1, None).unwrap();
                }
            });
        }
    });
    assert_eq!(increment(&nodes[0], "n", 0, None), Ok(600));
    assert_eq!(get(&nodes[1], "n"), Some(b"600".to_vec()));
}

#[test]
fn a_counter_is_as_it_would_be_in_memory() {
    let server = TestServer::start();
    let node = Node::start(&server);
    assert_eq!(increment(&node, "n", 2, SHORT), Ok(2));
    gone_soon(&node, "n");
    assert_eq!(increment(&node, "n", -1, None), Ok(-1));
    assert_eq!(
        increment(&node, "n", i64::MIN, None),
        Ok(i64::MIN),
        "it stops at the end"
    );
    assert_eq!(increment(&node, "n", i64::MAX, None), Ok(-1));
    assert_eq!(increment(&node, "m", i64::MAX, None), Ok(i64::MAX));
    assert_eq!(increment(&node, "m", i64::MAX, None), Ok(i64::MAX));
    assert_eq!(increment(&node, "o", 3, Some(Duration::ZERO)), Ok(3));
    assert_eq!(get(&node, "o"), None);
    set(&node, "n", b"5", None).unwrap();
    assert_eq!(increment(&node, "n", 1, None), Err(KvError::NotANumber));
}

#[test]
fn a_full_store_refuses_keys_and_takes_updates() {
    let server = TestServer::start();
    let (a, b) = (Node::start(&server), Node::start(&server));
    for n in 0..KEYS - 10 {
        increment(&a, &format!("{n}"), 1, None).unwrap();
    }
    for n in 0..10 {
        set(&a, &format!("short-{n}"), b"1", Some(Duration::from_secs(3))).unwrap();
    }
    assert_eq!(set(&b, "one-more", b"1", None), Err(KvError::Full));
    assert_eq!(increment(&b, "one-more", 1, None), Err(KvError::Full));
    set(&b, "0", b"22", None).unwrap();
    b.kv.delete("1", &mut patient()).unwrap();
    set(&a, "one-more", b"1", None).unwrap();
    assert_eq!(set(&b, "two-more", b"1", None), Err(KvError::Full));
    gone_soon(&a, "short-9");
    set(&b, "two-more", b"1", None).unwrap();
}

#[test]
fn a_store_is_full_by_its_bytes_too() {
    let server = TestServer::start();
    let node = Node::start(&server);
    let value = vec![0; 64 * 1024];
    let mut kept = 0;
    while set(&node, &format!("{kept:08}"), &value, None).is_ok() {
        kept += 1;
    }
    assert_eq!(kept, BYTES / (value.len() + 8));
    set(&node, "00000000", b"", None).unwrap();
    set(&node, "again", &value, None).unwrap();
    assert_eq!(set(&node, "another", &value, None), Err(KvError::Full));
}
