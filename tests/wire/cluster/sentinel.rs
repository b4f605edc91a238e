//! Redis under Sentinel: the replica takes over, and the broker goes with it.

use std::time::Duration;

use crate::chaos::{Run, STEADY};
use crate::support::{Nodes, Sentinels};

/// From the promotion until everybody is served again.
const FOLLOWED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_broker_follows_a_failover() {
    let mut sentinels = Sentinels::start().await;
    let nodes = Nodes::start(3, &sentinels.url()).await;
    let mut run = Run::start(&nodes.doors, STEADY);
    run.canary(FOLLOWED).await;
    for _ in 0..2 {
        run.fault("failover");
        sentinels.fail_over().await;
        run.fault("over");
        run.canary(FOLLOWED).await;
    }
    run.finish().await;
}
