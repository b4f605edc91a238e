//! Random clients, random faults, and promises that hold all the same. As in Jepsen, clients record what they did and saw,
//! and a checker that knows nothing of the broker reads the records afterwards.

mod check;
mod history;
mod long;
mod plan;
mod publisher;
mod random;
mod run;
mod stage;
mod subscriber;

use std::time::Duration;

use tokio::time::{Instant, interval_at};

use crate::support::nodes::Doors;
use crate::support::shared;

pub(crate) use history::What;
pub(crate) use run::{Load, Run, STEADY};
pub(crate) use stage::HEALED;
pub(crate) use subscriber::polls;

/// What the clients of a run do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Subscribers come and go.
    Wild,
    /// Subscribers stay, or come back.
    Calm,
    /// Everybody goes.
    Over,
}

/// Lets time pass: a load's pace, or the length of a fault. Not for waiting until something happens.
pub(crate) async fn lasting(duration: Duration) {
    interval_at(Instant::now() + duration, Duration::from_secs(1))
        .tick()
        .await;
}

#[tokio::test]
async fn one_node_in_memory_keeps_every_promise() {
    let broker = shared().await;
    let mut run = Run::start(&Doors::to(broker.address), Load { wild: true, ..STEADY });
    for _ in 0..3 {
        run.goes_on(Duration::from_millis(500)).await;
        run.canary(HEALED).await;
    }
    let events = run.finish().await;
    let count = |fits: fn(&What) -> bool| events.iter().filter(|event| fits(&event.what)).count();
    assert!(
        count(|what| matches!(what, What::Received { .. })) > 100,
        "a load that is one"
    );
    assert!(
        count(|what| matches!(
            what,
            What::Subscribed {
                recovered: Some(true),
                ..
            }
        )) > 0,
        "somebody came back and recovered"
    );
}
