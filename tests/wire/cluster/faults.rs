//! The faults of Redis, one at a time, under a load that records what it sees.

use std::time::{Duration, Instant};

use crate::chaos::{HEALED, Load, Run, STEADY, What, lasting, polls};
use crate::support::{Nodes, Redis};

/// A publish is answered in this time, whatever Redis does.
const ANSWERED: Duration = Duration::from_secs(3);
const UNAVAILABLE: u64 = 4504;

async fn started(redis: &Redis) -> (Nodes, Run) {
    let nodes = Nodes::start(3, &redis.url()).await;
    let mut run = Run::start(&nodes.doors, STEADY);
    run.canary(HEALED).await;
    (nodes, run)
}

/// Every client is served again, nothing was lost, and no client was disconnected meanwhile.
async fn healed(run: Run) {
    healed_for(run, |_| true).await;
}

/// The same, where only these clients stay connected.
async fn healed_for(mut run: Run, stays: impl Fn(&str) -> bool) {
    run.fault("over");
    run.canary(HEALED).await;
    let events = run.finish().await;
    // The last clients disconnect at the end of the run.
    let over = events.iter().position(|event| matches!(event.what, What::Kept { .. }));
    let before = &events[..over.expect("the histories were read")];
    let gone: Vec<_> = before
        .iter()
        .filter(|event| matches!(event.what, What::Away { .. }) && stays(&event.who))
        .collect();
    assert!(gone.is_empty(), "connections stay: {gone:?}");
}

/// Publishes while Redis is away are refused, soon and with 4504.
async fn assert_refused_soon(run: &mut Run) {
    for _ in 0..3 {
        let asked = Instant::now();
        let outcome = run.try_publish().await;
        assert!(asked.elapsed() < ANSWERED, "answered after {:?}", asked.elapsed());
        assert_eq!(outcome, Err(Some(UNAVAILABLE)));
    }
}

#[tokio::test]
async fn killed_and_restarted_with_its_log() {
    let mut redis = Redis::with_aof().await;
    let (_nodes, mut run) = started(&redis).await;
    redis.kill().await;
    run.fault("killed");
    assert_refused_soon(&mut run).await;
    redis.restart().await;
    healed(run).await;
}

#[tokio::test]
async fn paused_for_a_second_and_for_longer() {
    let redis = Redis::start().await;
    let (_nodes, mut run) = started(&redis).await;
    for pause in [1, 6] {
        redis.pause();
        run.fault("paused");
        let paused = Instant::now();
        let asked = Instant::now();
        // During a short pause a publish may wait and succeed.
        let outcome = run.try_publish();
        let (outcome, ()) = tokio::join!(outcome, async {
            lasting(Duration::from_secs(pause).min(Duration::from_secs(1))).await;
            if pause == 1 {
                redis.resume();
            }
        });
        assert!(asked.elapsed() < ANSWERED, "answered after {:?}", asked.elapsed());
        if pause > 3 {
            assert_eq!(outcome, Err(Some(UNAVAILABLE)));
            lasting(Duration::from_secs(pause).saturating_sub(paused.elapsed())).await;
            redis.resume();
        }
        run.fault("resumed");
        run.canary(HEALED).await;
    }
    healed(run).await;
}

#[tokio::test]
async fn paused_for_a_minute() {
    let redis = Redis::start().await;
    let (_nodes, mut run) = started(&redis).await;
    redis.pause();
    run.fault("paused");
    let minute = lasting(Duration::from_mins(1));
    tokio::join!(minute, assert_refused_soon(&mut run));
    redis.resume();
    healed(run).await;
}

#[tokio::test]
async fn subscribers_kicked_twice_within_half_a_second() {
    let redis = Redis::start().await;
    let (_nodes, run) = started(&redis).await;
    for again in [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(400)] {
        for _ in 0..2 {
            let kicked = redis.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
            run.fault(&format!("kicked {kicked:?}"));
            lasting(again).await;
        }
    }
    healed(run).await;
}

#[tokio::test]
async fn a_subscriber_too_slow_for_its_buffer() {
    let redis = Redis::start().await;
    let (_nodes, run) = started(&redis).await;
    let limit = async |value| {
        redis.run(&["CONFIG", "SET", "client-output-buffer-limit", value]).await;
    };
    limit("pubsub 1 1 1").await;
    run.fault("tiny buffers");
    lasting(Duration::from_secs(2)).await;
    limit("pubsub 32mb 8mb 60").await;
    healed(run).await;
}

#[tokio::test]
async fn all_data_flushed() {
    let redis = Redis::start().await;
    let (_nodes, mut run) = started(&redis).await;
    for _ in 0..3 {
        redis.run(&["FLUSHALL"]).await;
        run.fault("flushed");
        run.canary(HEALED).await;
    }
    // Which node has the session of a client that polls stood in Redis: at any other node it is gone.
    healed_for(run, |who| !polls(who)).await;
}

#[tokio::test]
async fn all_scripts_flushed() {
    let redis = Redis::start().await;
    let (_nodes, mut run) = started(&redis).await;
    for _ in 0..3 {
        redis.run(&["SCRIPT", "FLUSH"]).await;
        run.fault("scripts flushed");
        assert_eq!(run.try_publish().await, Ok(()), "nobody notices");
    }
    healed(run).await;
}

#[tokio::test]
async fn everything_while_subscribers_come_and_go() {
    let mut redis = Redis::with_aof().await;
    let nodes = Nodes::start(3, &redis.url()).await;
    let mut run = Run::start(
        &nodes.doors,
        Load {
            seed: 3,
            wild: true,
            ..STEADY
        },
    );
    run.canary(HEALED).await;
    redis.run(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    run.fault("commands kicked");
    run.canary(HEALED).await;
    redis.kill().await;
    run.fault("killed");
    lasting(Duration::from_secs(1)).await;
    redis.restart().await;
    run.canary(HEALED).await;
    run.finish().await;
}
