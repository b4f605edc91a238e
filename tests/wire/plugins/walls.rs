//! What a plugin does to the other tenants of its shard: beside each attack somebody publishes in another tenant, and what
//! they may have to wait is measured by what they waited in quiet.

use std::time::{Duration, Instant};

use crate::support::{Broker, Client, json};

/// Guests of `tests/guests/` that take as much as they get, on publish.
const ATTACKS: [&str; 5] = ["loop", "memory", "overgrows", "writes-lines", "trap"];
/// One hook may take its `deadline_ms`, and 3 ms.
const HOOK: Duration = Duration::from_millis(5 + 3);
/// What two busy cores may add.
const SLACK: Duration = Duration::from_millis(100);
const PUBLISHES: usize = 200;

/// The longest that a message of theirs took to come back.
async fn longest(victim: &mut Client) -> Duration {
    let mut longest = Duration::ZERO;
    for number in 0..PUBLISHES {
        let data = format!("hi {number}");
        let start = Instant::now();
        victim.publish(data.as_str()).await;
        victim.expect_message(data.as_str()).await;
        longest = longest.max(start.elapsed());
    }
    longest
}

#[tokio::test]
async fn another_tenant_of_the_shard_hardly_waits() {
    let mut config =
        String::from("[server]\nshards = 1\n[[tenants]]\nname = \"well\"\nanonymous = true\ndefault = \"allow\"\n");
    config += "limits.publish_per_second = 0\n";
    let mut plugins = String::new();
    for guest in ATTACKS {
        plugins.push_str(&["[plugins.", guest, "]\nfile = \"guests/", guest, ".wasm\"\n"].concat());
        let tenant = format!(
            "[[tenants]]\nname = \"of-{guest}\"\nanonymous = true\ndefault = \"allow\"\n[[tenants.chain]]\n\
             plugin = \"{guest}\"\nhooks = [\"publish\"]\n[tenants.limits]\npublish_per_second = 0\n"
        );
        config.push_str(&tenant);
    }
    let broker = Broker::start(&(plugins + &config)).await;
    let mut victim = broker.dial("victim").tenant("well").connect().await;
    victim.subscribe("c").await;
    let quiet = longest(&mut victim).await;
    for guest in ATTACKS {
        let mut attacker = broker.dial(guest).tenant(&format!("of-{guest}")).connect().await;
        attacker.subscribe("c").await;
        let attack = async {
            loop {
                let message = json!({ "channel": "c", "data": 1 });
                attacker.fails("publish", message, 4503).await;
            }
        };
        let attacked = tokio::select! {
            longest = longest(&mut victim) => longest,
            () = attack => unreachable!("it never ends"),
        };
        assert!(
            attacked <= 2 * quiet + HOOK + SLACK,
            "{guest}: {attacked:?}, in quiet {quiet:?}"
        );
        let labels = [("tenant", &*format!("of-{guest}")), ("hook", "publish")];
        let faulted =
            |m: &crate::support::metrics::Metrics| m.sum("sluicegate_plugin_faults_total", &labels) >= Some(1.0);
        broker.metrics_when("its faults", faulted).await;
    }
}
