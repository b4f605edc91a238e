//! Many connections come and end in every way: no resource of them is left.

use crate::support::metrics::Metrics;
use crate::support::shared::config;
use crate::support::{Broker, Frame, json};

const MANY: usize = 120;

fn gauges(metrics: &Metrics) -> [Option<f64>; 3] {
    ["connections", "subscriptions", "outbox_bytes"].map(|name| metrics.sum(&format!("sluicegate_{name}"), &[]))
}

#[tokio::test]
async fn gauges_return_to_where_they_were() {
    let broker = Broker::start(&config()).await;
    for round in 0..2 {
        let mut clients = Vec::new();
        for n in 0..MANY {
            let mut client = broker.connect(&format!("client {n}")).await;
            client.subscribe("room:many").await.subscribe(&format!("own-{n}")).await;
            clients.push(client);
        }
        let there = broker.metrics().await;
        let many = f64::from(u32::try_from(MANY).unwrap());
        assert_eq!(gauges(&there)[..2], [Some(many), Some(2.0 * many)], "round {round}");
        clients[0].to("room:many").publish(round).await;
        for client in &mut clients {
            client.expect_message(round).await;
        }
        for (n, mut client) in clients.into_iter().enumerate() {
            match n % 4 {
                0 => client.vanish(),
                1 => client.reset(),
                2 => {
                    client.send_frame(&Frame::close(1000, "")).await;
                }
                _ => {
                    client.send_text("{").await;
                }
            }
        }
        let baseline = |m: &Metrics| gauges(m) == [Some(0.0); 3];
        broker.metrics_when("all gauges at zero again", baseline).await;
    }
    let mut ann = broker.connect("ann").await;
    let present = ann.ask("presence", json!({ "channel": "room:many" })).await;
    assert_eq!(present["count"], 0, "nobody is left behind");
}
