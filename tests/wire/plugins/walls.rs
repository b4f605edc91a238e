//! What a plugin does to the other tenants of its shard: beside each attack somebody publishes in another tenant, and what
//! they may have to wait is measured by what they waited in quiet. The full measure is `cargo xtask bench noisy`.

use std::time::{Duration, Instant};

use crate::support::metrics::Metrics;
use crate::support::{Broker, Client, json};

/// Guests of `tests/guests/` that take as much as they get, on publish.
const ATTACKS: [&str; 5] = ["loop", "memory", "overgrows", "writes-lines", "trap"];
/// One hook may take its `deadline_ms`, and 3 ms.
const HOOK: Duration = Duration::from_millis(5 + 3);
/// What two busy cores may add.
const SLACK: Duration = Duration::from_millis(100);
const PUBLISHES: usize = 200;
/// A busy machine makes somebody wait now and then; a plugin that holds up its shard does it in every round.
const ROUNDS: usize = 5;

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

/// The longest wait in quiet, and the longest beside the attack.
#[derive(Debug)]
struct Round {
    quiet: Duration,
    attacked: Duration,
}

fn hardly_waited(round: &Round) -> bool {
    round.attacked <= 2 * round.quiet + HOOK + SLACK
}

async fn round(broker: &Broker, victim: &mut Client, guest: &str) -> Round {
    let quiet = longest(victim).await;
    let mut attacker = broker.dial(guest).tenant(&format!("of-{guest}")).connect().await;
    attacker.subscribe("c").await;
    let attack = async {
        loop {
            let message = json!({ "channel": "c", "data": 1 });
            attacker.fails("publish", message, 4503).await;
        }
    };
    let attacked = tokio::select! {
        longest = longest(victim) => longest,
        () = attack => unreachable!("it never ends"),
    };
    Round { quiet, attacked }
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
    for guest in ATTACKS {
        let mut rounds = Vec::new();
        while rounds.len() < ROUNDS && !rounds.iter().any(hardly_waited) {
            rounds.push(round(&broker, &mut victim, guest).await);
        }
        assert!(rounds.iter().any(hardly_waited), "{guest}: {rounds:?}");
        let labels = [("tenant", &*format!("of-{guest}")), ("hook", "publish")];
        let faulted = |m: &Metrics| m.sum("sluicegate_plugin_faults_total", &labels) >= Some(1.0);
        broker.metrics_when("its faults", faulted).await;
    }
}
