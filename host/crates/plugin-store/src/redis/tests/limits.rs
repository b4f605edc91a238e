//! One limit over three nodes.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::node::{Node, patient};
use redis_client::testing::TestServer;

/// Checks offered to a node in a second.
const PER_NODE: u32 = 334;
/// Runs until one must have been on time.
const TRIES: usize = 6;

/// What came of hammering.
struct Hammered {
    checks: usize,
    allowed: usize,
    asked: usize,
    seconds: f64,
}

/// Offers checks to each node for `time`, evenly.
fn hammer(nodes: &[Node], key: &str, time: Duration, rate: f64, burst: u32) -> Hammered {
    let before: usize = nodes.iter().map(|node| node.asked.load(Ordering::Relaxed)).sum();
    let start = Instant::now();
    let one = |node: &Node| {
        let (mut checks, mut allowed) = (0, 0);
        while start.elapsed() < time {
            checks += 1;
            allowed += usize::from(node.take(key, rate, burst, &mut patient()).is_ok());
            let next = start + Duration::from_secs(1) * u32::try_from(checks).unwrap() / PER_NODE;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        (checks, allowed)
    };
    let counts: Vec<(usize, usize)> = thread::scope(|scope| {
        let nodes: Vec<_> = nodes.iter().map(|node| scope.spawn(move || one(node))).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).collect()
    });
    let after: usize = nodes.iter().map(|node| node.asked.load(Ordering::Relaxed)).sum();
    Hammered {
        checks: counts.iter().map(|(checks, _)| checks).sum(),
        allowed: counts.iter().map(|(_, allowed)| allowed).sum(),
        asked: after - before,
        seconds: start.elapsed().as_secs_f64(),
    }
}

fn three(server: &TestServer) -> Vec<Node> {
    (0..3).map(|_| Node::start(server)).collect()
}

/// Over three nodes at a thousand checks a second. Never too many are allowed; when the machine had no time for its
/// tests, buckets ran over and too few were, so that is tried again.
fn is_exact(rate: f64, burst: u32) {
    let server = TestServer::start();
    let mut off = 0.0;
    for run in 0..TRIES {
        let nodes = three(&server);
        let hammered = hammer(&nodes, &format!("ann-{run}"), Duration::from_secs(5), rate, burst);
        let exact = f64::from(burst) + rate * hammered.seconds;
        off = hammered.allowed as f64 / exact - 1.0;
        let asked = hammered.asked as f64 / hammered.checks as f64;
        println!(
            "{rate}/s burst {burst}: {} of {} allowed, {:.2} % off, {:.1} % asked",
            hammered.allowed,
            hammered.checks,
            off * 1e2,
            asked * 1e2
        );
        assert!(off <= 0.01, "{} allowed, not {exact:.0}", hammered.allowed);
        assert!(asked < 0.25, "{} of {} checks asked", hammered.asked, hammered.checks);
        if off >= -0.01 {
            return;
        }
    }
    panic!("{:.1} % too few, again and again", -off * 1e2);
}

#[test]
fn a_tenth_is_allowed() {
    is_exact(100.0, 100);
}

#[test]
fn half_is_allowed() {
    is_exact(500.0, 200);
}

#[test]
fn nine_tenths_are_allowed() {
    is_exact(900.0, 100);
}
