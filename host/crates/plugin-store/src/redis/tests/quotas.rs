//! What one tenant's plugin takes of Redis is bounded, and its waits are its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::node::{Node, patient, usual};
use crate::limiter::BUCKETS;
use crate::redis::names::PARTS;
use crate::{Kv, KvError};
use redis_client::testing::TestServer;

/// Sends a command of words without spaces, and gives the reply's lines.
fn command(server: &TestServer, line: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    let read = |reader: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = read(&mut reader);
    if let Some(bytes) = first.strip_prefix('$') {
        let mut text = vec![0; bytes.parse().unwrap()];
        reader.read_exact(&mut text).unwrap();
        lines.extend(String::from_utf8(text).unwrap().lines().map(str::to_owned));
    } else if let Some(count) = first.strip_prefix('*') {
        for _ in 0..count.parse().unwrap() {
            read(&mut reader);
            lines.push(read(&mut reader));
        }
    } else {
        lines.push(first);
    }
    lines
}

fn number(server: &TestServer, line: &str) -> u64 {
    let reply = command(server, line).remove(0);
    reply
        .trim_start_matches(':')
        .parse()
        .unwrap_or_else(|_| panic!("{line}: {reply}"))
}

fn used_memory(server: &TestServer) -> u64 {
    let info = command(server, "INFO memory");
    let used = info.iter().find_map(|line| line.strip_prefix("used_memory:"));
    used.unwrap().parse().unwrap()
}

fn buckets(server: &TestServer) -> u64 {
    let parts = command(server, "KEYS sg:b:*");
    parts.iter().map(|part| number(server, &format!("HLEN {part}"))).sum()
}

/// For how many milliseconds buckets are kept at most.
fn longest_left(server: &TestServer) -> u64 {
    let parts = command(server, "KEYS sg:b*");
    let left = parts.iter().map(|part| number(server, &format!("PTTL {part}")));
    left.max().unwrap()
}

/// More than fits into Redis below, were it all kept.
const FLOOD: usize = 10_000;
const ROOM: u64 = 2 * 1024 * 1024;

#[test]
fn a_flood_of_buckets_takes_no_more_than_its_quota_and_no_room_of_others() {
    let server = TestServer::start();
    let (attacker, victim) = (Node::of(&server, "attacker"), Node::of(&server, "victim"));
    assert_eq!(victim.take("ann", 0.001, 2, &mut patient()), Ok(()));
    command(
        &server,
        &format!("CONFIG SET maxmemory {}", used_memory(&server) + ROOM),
    );
    for (attack, rate) in [("never full", 0.0), ("full in a year", 3e-8)] {
        for n in 0..FLOOD / 2 {
            let key = format!("{attack} {n:0200}");
            attacker.take(&key, rate, 1, &mut patient()).unwrap();
        }
        let most = u64::from(PARTS) * BUCKETS as u64;
        let kept = buckets(&server);
        assert!(kept <= most + 1, "{kept} buckets are kept of {most}, {attack}");
        assert_eq!(victim.kv.set("k", b"v", None, &mut patient()), Ok(()), "{attack}");
        assert!(victim.kv.increment("n", 1, None, &mut patient()).is_ok(), "{attack}");
    }
    let evicted = command(&server, "INFO stats");
    assert!(evicted.contains(&"evicted_keys:0".to_owned()));
    assert_eq!(victim.take("ann", 0.001, 2, &mut patient()), Ok(()));
    assert!(
        victim.take("ann", 0.001, 2, &mut patient()).is_err(),
        "its bucket is kept"
    );
}

#[test]
fn a_bucket_is_kept_for_no_longer_than_it_takes_to_fill() {
    let server = TestServer::start();
    let node = Node::start(&server);
    let day = 24 * 3600 * 1000;
    let cases = [
        ("full in two seconds", 1.0, 2, 2_000),
        ("never full", 0.0, 2, day),
        ("full in a year", 3e-8, 1, 7 * day),
    ];
    for (key, rate, burst, most) in cases {
        for _ in 0..burst {
            node.take(key, rate, burst, &mut patient()).unwrap();
        }
        let left = longest_left(&server);
        assert!((most / 2..=most + 2).contains(&left), "{key}: {left} ms of {most}");
        command(&server, "FLUSHALL");
    }
}

#[test]
fn a_bucket_is_kept_for_no_longer_than_what_was_spent_takes_to_fill() {
    let server = TestServer::start();
    let node = Node::start(&server);
    // Of a burst this large more is taken than is spent. Each token takes 20 s to come back.
    for _ in 0..2 {
        node.take("ann", 0.05, 1000, &mut patient()).unwrap();
    }
    let left = longest_left(&server);
    assert!(left > 50_000, "more is taken than is spent: {left} ms");
    std::thread::sleep(Duration::from_millis(250));
    crate::Limiter::sweep(&node.limiter);
    let start = std::time::Instant::now();
    while longest_left(&server) > 40_002 {
        assert!(start.elapsed() < Duration::from_secs(5), "it is given back");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_cannot_wait_for_redis_does_without_and_the_others_go_on() {
    let server = TestServer::start();
    let (hasty, victim) = (Node::of(&server, "hasty"), Node::of(&server, "victim"));
    for _ in 0..5 {
        server.signal("STOP");
        assert_eq!(hasty.kv.get("k", &mut usual()), Err(KvError::Unavailable));
        server.signal("CONT");
        assert_eq!(victim.kv.get("k", &mut patient()), Ok(None));
        // The same plugin, with hooks that may wait longer.
        assert_eq!(hasty.kv.get("k", &mut patient()), Ok(None));
    }
    hasty.heals();
}
