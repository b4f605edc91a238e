//! Hostile guests at every hook: a clear answer to the client, the cause in the log, and no harm to others.

use crate::support::{Broker, Client, PATIENCE, json};

/// Guests of `tests/guests/` that misbehave in every hook, and texts of which one has to be in the log.
const EVERYWHERE: [(&str, &[&str]); 10] = [
    ("loop", &["ran past", "deadline", "too long"]),
    ("trap", &["trap", "unreachable"]),
    ("memory", &["memory"]),
    ("recurse", &["stack"]),
    ("keeps-handle", &["borrow", "handle"]),
    ("bad-verdict", &["bad", "invalid", "discriminant"]),
    ("bad-pointer", &["bad", "invalid", "bounds", "pointer"]),
    ("bad-utf8", &["UTF-8", "utf-8", "utf8"]),
    ("bad-code", &["1000"]),
    ("bad-reason", &["reason"]),
];
/// Guests that misbehave on publish only.
const ON_PUBLISH: [(&str, &[&str]); 10] = [
    ("big-attribute", &["attribute"]),
    ("big-call", &["bytes", "bad", "large"]),
    ("exits", &["exit"]),
    ("waits", &["wait", "block"]),
    ("memories", &["memory"]),
    ("overgrows", &["memory"]),
    ("writes-lines", &["ran past"]),
    ("bad-json", &["JSON"]),
    ("bad-length", &["bad", "invalid", "bounds", "memory", "list", "length"]),
    ("too-many-tags", &["tag"]),
];

/// On connect only.
const ON_CONNECT: [(&str, &[&str]); 1] = [("bad-json", &["JSON", "claims"])];

/// A broker with a tenant for each guest, whose chain asks it at `hook` only; and one called `well`.
async fn broker(hook: &str, on_fault: &str) -> Broker {
    let mut config = String::from(
        "[server]\n[[tenants]]\nname = \"well\"\nanonymous = true\ndefault = \"allow\"\n\
         [[tenants.chain]]\nplugin = \"tagger\"\ndeadline_ms = 500\n",
    );
    let mut plugins = String::from("[plugins.tagger]\nfile = \"guests/publish-tag.wasm\"\n");
    for (guest, _) in guests(hook) {
        plugins.extend(["[plugins.", guest, "]\nfile = \"guests/", guest, ".wasm\"\n"]);
        let tenant = format!(
            "[[tenants]]\nname = \"of-{guest}\"\nanonymous = true\ndefault = \"allow\"\n[[tenants.chain]]\n\
             plugin = \"{guest}\"\nhooks = [\"{hook}\"]\non_fault = \"{on_fault}\"\ndeadline_ms = 50\n"
        );
        config += &tenant;
    }
    Broker::start(&(plugins + &config)).await
}

fn guests(hook: &str) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let more = match hook {
        "publish" => &ON_PUBLISH[..],
        "connect" => &ON_CONNECT,
        _ => &[],
    };
    EVERYWHERE.iter().chain(more).copied()
}

/// The log has a line with tenant, plugin, hook and one of `causes`.
async fn told(broker: &Broker, guest: &str, hook: &str, causes: &[&str]) {
    let tenant = format!("of-{guest}");
    broker.log().wait_for(&[&tenant, guest, hook]).await;
    let text = broker.log().text();
    let is_told = text.lines().any(|line| {
        [tenant.as_str(), guest, hook].iter().all(|word| line.contains(word))
            && causes.iter().any(|cause| line.replace(&tenant, "").contains(cause))
    });
    assert!(is_told, "no line of {tenant}, {hook} has one of {causes:?}:\n{text}");
    let labels = [("tenant", tenant.as_str()), ("plugin", guest), ("hook", hook)];
    let is_counted =
        |m: &crate::support::metrics::Metrics| m.sum("sluicegate_plugin_faults_total", &labels) >= Some(1.0);
    broker.metrics_when("the fault", is_counted).await;
}

/// The other tenant is unaffected: its session, its plugin, its messages.
async fn unharmed(neighbour: &mut Client) {
    neighbour.publish("hi").await;
    let message = neighbour.expect_message("hi").await;
    assert_eq!(message["tags"], json!({ "mood": "better" }), "{}", message.text);
}

async fn neighbour(broker: &Broker) -> Client {
    let mut neighbour = broker.dial("neighbour").tenant("well").connect().await;
    neighbour.subscribe("c").await;
    neighbour
}

fn check_fault(error: &crate::support::Value, guest: &str) {
    assert_eq!(error["plugin"], *guest, "{error}");
    assert_eq!(error["retry"], true, "{error}");
}

#[tokio::test]
async fn a_fault_on_connect_refuses_with_4503_and_closes_with_4003() {
    let broker = broker("connect", "deny").await;
    let mut neighbour = neighbour(&broker).await;
    for (guest, causes) in guests("connect") {
        for _ in 0..2 {
            let dial = broker.dial(guest).tenant(&format!("of-{guest}"));
            let (error, mut ann) = dial.connect_refused(4503).await;
            check_fault(&error, guest);
            ann.expect_close(4003).await;
            unharmed(&mut neighbour).await;
        }
        told(&broker, guest, "connect", causes).await;
    }
}

#[tokio::test]
async fn a_fault_on_connect_passes_where_the_config_says_allow() {
    let broker = broker("connect", "allow").await;
    for (guest, causes) in guests("connect") {
        let mut ann = broker.dial(guest).tenant(&format!("of-{guest}")).connect().await;
        ann.subscribe("c").await.publish("hi").await.expect_message("hi").await;
        told(&broker, guest, "connect", causes).await;
    }
}

#[tokio::test]
async fn a_fault_on_subscribe_refuses_with_4503_and_the_connection_stays() {
    let broker = broker("subscribe", "deny").await;
    let mut neighbour = neighbour(&broker).await;
    for (guest, causes) in guests("subscribe") {
        let mut ann = broker.dial(guest).tenant(&format!("of-{guest}")).connect().await;
        for _ in 0..2 {
            check_fault(&ann.fails("subscribe", json!({ "channel": "c" }), 4503).await, guest);
            unharmed(&mut neighbour).await;
        }
        ann.fails("unsubscribe", json!({ "channel": "c" }), 4406).await;
        told(&broker, guest, "subscribe", causes).await;
    }
}

#[tokio::test]
async fn a_fault_on_subscribe_passes_where_the_config_says_allow() {
    let broker = broker("subscribe", "allow").await;
    for (guest, causes) in guests("subscribe") {
        let mut ann = broker.dial(guest).tenant(&format!("of-{guest}")).connect().await;
        ann.subscribe("c").await.publish("hi").await.expect_message("hi").await;
        told(&broker, guest, "subscribe", causes).await;
    }
}

#[tokio::test]
async fn a_fault_on_publish_refuses_with_4503_and_delivers_nothing() {
    let broker = broker("publish", "deny").await;
    let mut neighbour = neighbour(&broker).await;
    for (guest, causes) in guests("publish") {
        let tenant = format!("of-{guest}");
        let mut ann = broker.dial(guest).tenant(&tenant).connect().await;
        let mut bob = broker.dial("bob").tenant(&tenant).connect().await;
        bob.subscribe("c").await;
        for n in 0..3 {
            check_fault(
                &ann.fails("publish", json!({ "channel": "c", "data": n }), 4503).await,
                guest,
            );
            unharmed(&mut neighbour).await;
        }
        told(&broker, guest, "publish", causes).await;
        bob.still_works().await;
        assert!(!bob.has_waiting("message"), "{guest}: nothing was delivered");
    }
}

#[tokio::test]
async fn a_fault_on_publish_passes_where_the_config_says_allow() {
    let broker = broker("publish", "allow").await;
    for (guest, causes) in guests("publish") {
        let mut ann = broker.dial(guest).tenant(&format!("of-{guest}")).connect().await;
        ann.subscribe("c").await;
        for n in 0..2 {
            ann.publish(n).await.expect_message(n).await;
        }
        told(&broker, guest, "publish", causes).await;
    }
}

#[tokio::test]
async fn data_that_a_plugin_makes_too_large_is_refused_with_4413_and_is_no_fault() {
    for on_fault in ["deny", "allow"] {
        let broker = Broker::start(&format!(
            "plugins = {{ p = {{ file = \"guests/big-replace.wasm\" }} }}\n[server]\ndefault_tenant = \"t\"\n\
             [[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"\n[[tenants.chain]]\n\
             plugin = \"p\"\non_fault = \"{on_fault}\"\ndeadline_ms = 500\n"
        ))
        .await;
        let mut ann = broker.connect("ann").await;
        for _ in 0..10 {
            let error = ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4413).await;
            assert_eq!((&error["reason"], &error["plugin"]), (&json!("too_large"), &json!("p")));
            assert_eq!(error["retry"], false);
            let words = error["message"].as_str().expect("a message");
            assert!(words.contains("1000000") && words.contains("message_bytes"), "{words}");
        }
        let faults = broker.metrics().await.sum("sluicegate_plugin_faults_total", &[]);
        assert!(faults.unwrap_or(0.0) < 0.5, "{faults:?}");
    }
}

#[tokio::test]
async fn kinds_of_faults_are_counted_apart() {
    let broker = broker("publish", "deny").await;
    let mut kinds = std::collections::BTreeSet::new();
    for guest in ["loop", "trap", "bad-json"] {
        let tenant = format!("of-{guest}");
        let mut ann = broker.dial(guest).tenant(&tenant).connect().await;
        ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4503).await;
        let metrics = broker.metrics().await;
        let labels = [("tenant", tenant.as_str()), ("plugin", guest), ("hook", "publish")];
        kinds.extend(metrics.label_values("sluicegate_plugin_faults_total", &labels, "kind"));
    }
    assert!(kinds.len() >= 3, "{kinds:?}");
}

/// A tenant whose plugin traps on the message 0.
pub(super) fn trap_on_zero(on_fault: &str) -> String {
    format!(
        r#"
        server = {{ default_tenant = "t", shards = 1 }}
        plugins = {{ fragile = {{ file = "guests/trap-on-zero.wasm" }} }}
        [[tenants]]
        name = "t"
        anonymous = true
        chain = [{{ plugin = "fragile", deadline_ms = 500, on_fault = {on_fault} }}]
        channels = [{{ match = "**", history = {{ size = 10, ttl_seconds = 60 }} }}]
        limits = {{ publish_per_second = 0 }}
        default = "allow"
        "#
    )
}

#[tokio::test]
async fn after_a_fault_the_plugin_is_rebuilt() {
    let broker = Broker::start(&trap_on_zero(r#""deny""#)).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await.publish(1).await.expect_message(1).await;
    for _ in 0..3 {
        ann.fails("publish", json!({ "channel": "c", "data": 0 }), 4503).await;
        let until_rebuilt = async {
            loop {
                let id = ann.send("publish", json!({ "channel": "c", "data": 2 })).await;
                let reply = ann.reply(&id).await;
                if reply.kind() == "ack" {
                    break;
                }
                assert_eq!(reply["payload"]["code"], 4503, "{}", reply.text);
            }
        };
        tokio::time::timeout(PATIENCE, until_rebuilt)
            .await
            .expect("the plugin comes back");
        ann.expect_message(2).await;
    }
}

#[tokio::test]
async fn on_fault_is_set_per_hook() {
    let broker = Broker::start(&trap_on_zero(r#"{ connect = "deny", publish = "allow" }"#)).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await.publish(0).await.expect_message(0).await;
    let other_way = Broker::start(&trap_on_zero(r#"{ connect = "allow" }"#)).await;
    let mut ann = other_way.connect("ann").await;
    ann.fails("publish", json!({ "channel": "c", "data": 0 }), 4503).await;
}

#[tokio::test]
async fn on_fault_cached_repeats_what_the_plugin_last_said() {
    let broker = Broker::start(&trap_on_zero(r#""cached""#)).await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    ann.subscribe("c")
        .await
        .publish(1)
        .await
        .publish(0)
        .await
        .expect_messages([1, 0])
        .await;
    bob.fails("publish", json!({ "channel": "c", "data": 0 }), 4503).await;
    ann.fails("publish", json!({ "channel": "other", "data": 0 }), 4503)
        .await;
}

#[tokio::test]
async fn a_plugin_that_faults_at_load_is_told_there() {
    use crate::support::broker::serve;
    use crate::support::config::{Home, complete};
    for guest in ["init-trap", "init-loop", "start-loop", "memory-at-start"] {
        let home = Home::new();
        home.write(&complete(&format!(
            "plugins = {{ p = {{ file = \"guests/{guest}.wasm\" }} }}\n\
             tenants = [{{ name = \"t\", chain = [{{ plugin = \"p\", deadline_ms = 50 }}] }}]"
        )));
        let process = serve(&home, "info").await;
        assert_eq!(process.exit_code().await, Some(1), "{guest}");
        let log = process.stderr.text();
        assert!(
            log.contains("tenants[0].chain[0]") || log.contains("plugins.p"),
            "{guest}: {log}"
        );
    }
}
