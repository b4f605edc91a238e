//! The run itself. A short one with a fixed seed is a test like any other; `cargo xtask chaos` makes it longer.

use std::time::{Duration, Instant};

use super::check::{Violation, usage};
use super::plan::{Plan, Settings, Topology};
use super::run::{Load, Run};
use super::stage::{HEALED, Stage, Store};
use crate::support::metrics::Metrics;
use crate::support::{Broker, Nodes};

const NODES: usize = 3;
/// A history is checked and forgotten after this time, so that a run may take hours.
const CHAPTER: Duration = Duration::from_mins(2);

/// Everybody may connect and publish anything. Histories reach back over every fault of a run.
const CONFIG: &str = r#"
    server = { default_tenant = "t", shards = 2, drain_seconds = 2, poll_timeout_ms = 5000 }
    [[tenants]]
    name = "t"
    anonymous = true
    default = "allow"
    [[tenants.channels]]
    match = "room:**"
    history = { size = 20000, ttl_seconds = 3600 }
    idempotency_seconds = 3600
    [tenants.limits]
    publish_per_second = 0
    requests_per_second = 0
"#;

#[tokio::test]
async fn every_promise_is_kept_whatever_happens() {
    let settings = Settings::wanted();
    println!("{settings:?}");
    let load = Load {
        seed: settings.seed,
        publishers: 3,
        subscribers: 12,
        channels: 4,
        pace: Duration::from_millis(20),
        wild: true,
    };
    let store = Store::start(settings.topology).await;
    let mut config = CONFIG.to_owned();
    if settings.topology == Topology::Sentinel {
        // A message that only the lost master has is lost; the promises hold for acknowledged ones.
        config += "\n[backplane]\nreplicas = 1";
    }
    let nodes = Nodes::start_with(NODES, &store.url(), &config).await;
    let mut stage = Stage { store, nodes };

    // Resources that are made once exist after a first run without faults.
    let first = Load {
        seed: !settings.seed,
        wild: false,
        ..load
    };
    let mut run = Run::start(&stage.nodes.doors, first);
    run.canary(HEALED).await;
    run.finish().await;
    let mut before = Vec::new();
    for broker in stage.nodes.running() {
        everybody_left(broker).await;
        before.push(broker.usage());
    }

    let began = Instant::now();
    let mut plan = Plan::new(settings, NODES, load.channels);
    for chapter in 0.. {
        let until = settings.length.min(CHAPTER * (chapter + 1));
        let seed = settings.seed.wrapping_add(u64::from(chapter));
        tell(&mut stage, Load { seed, ..load }, &mut plan, began, until).await;
        if until == settings.length {
            break;
        }
    }

    let mut kept: Vec<Violation> = Vec::new();
    for (n, (broker, before)) in stage.nodes.running().zip(before).enumerate() {
        everybody_left(broker).await;
        kept.extend(usage(&format!("node-{n}"), before, broker.usage()));
    }
    assert_eq!(kept, [], "everything is given back");
    let mut listened = stage.store.subscribed_channels().await;
    // Beside these a node subscribes to its own liveness channel.
    listened.retain(|channel| channel.contains("chaos"));
    assert_eq!(listened, [] as [String; 0], "nobody listens any more");
}

/// One history: faults under load until it is time, and the check.
async fn tell(stage: &mut Stage, load: Load, plan: &mut Plan, began: Instant, until: Duration) {
    let mut run = Run::start(&stage.nodes.doors, load);
    run.canary(HEALED).await;
    while began.elapsed() < until {
        let (quiet, fault) = plan.next().expect("a plan without an end");
        run.goes_on(quiet).await;
        println!("{:>7.1} s  {fault:?}", began.elapsed().as_secs_f64());
        run.fault(&format!("{fault:?}"));
        stage.strike(&fault, &run).await;
        run.fault("over");
        run.canary(HEALED).await;
    }
    let events = run.finish().await;
    println!(
        "{:>7.1} s  {} events, every promise kept",
        began.elapsed().as_secs_f64(),
        events.len()
    );
}

async fn everybody_left(broker: &Broker) {
    let is_empty = |metrics: &Metrics| {
        let sum = |name| metrics.sum(name, &[]).unwrap_or(0.0);
        sum("sluicegate_connections") + sum("sluicegate_subscriptions") == 0.0
    };
    broker.metrics_when("that everybody left", is_empty).await;
}
