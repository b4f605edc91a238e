//! Nodes that die and nodes that are restarted, under load: clients go elsewhere and miss nothing.

use std::time::Duration;

use crate::chaos::{HEALED, Run, STEADY, What, lasting};
use crate::support::{Nodes, Redis};

#[tokio::test]
async fn a_killed_node_costs_nobody_a_message() {
    let redis = Redis::start().await;
    let mut nodes = Nodes::start(3, &redis.url()).await;
    let mut run = Run::start(&nodes.doors, STEADY);
    run.canary(HEALED).await;
    nodes.kill(1).await;
    run.fault("node-1 killed");
    run.canary(HEALED).await;
    lasting(Duration::from_millis(500)).await;
    nodes.revive(1).await;
    run.canary(HEALED).await;
    let events = run.finish().await;
    let outcomes = events.iter().filter_map(|event| match &event.what {
        What::Subscribed { recovered, .. } => *recovered,
        _ => None,
    });
    let outcomes: Vec<bool> = outcomes.collect();
    assert!(!outcomes.is_empty(), "somebody was on that node and came back");
    assert!(
        outcomes.iter().all(|recovered| *recovered),
        "all of it is in the history"
    );
}

#[tokio::test]
async fn a_rolling_restart_loses_nothing() {
    let redis = Redis::start().await;
    let mut nodes = Nodes::start(3, &redis.url()).await;
    let mut run = Run::start(&nodes.doors, STEADY);
    run.canary(HEALED).await;
    for node in 0..nodes.count() {
        run.fault(&format!("node-{node} restarts"));
        nodes.drain(node).await;
        nodes.revive(node).await;
        run.canary(HEALED).await;
    }
    let events = run.finish().await;
    let ends = events.iter().filter_map(|event| match event.what {
        What::Away { code: Some(code) } => Some(code),
        _ => None,
    });
    let ends: Vec<u16> = ends.collect();
    assert!(ends.len() >= STEADY.subscribers, "everybody had to move: {ends:?}");
    assert!(ends.iter().all(|code| *code == 4000), "and was told to: {ends:?}");
    let lost = events.iter().any(|event| {
        matches!(
            event.what,
            What::Subscribed {
                recovered: Some(false),
                ..
            }
        )
    });
    assert!(!lost, "everybody recovered");
}
