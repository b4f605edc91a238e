//! Pushed tenants on many nodes: one state is wanted, whichever node is told, and each node brings itself up to date.

use crate::support::admin::full_key;
use crate::support::push::{keyed, token_by};
use crate::support::{Broker, Client, Nodes, PATIENCE, Redis, eventually};

pub(super) const OLD: &str = "the-old-secret-of-a-pushed-tenant-1";
pub(super) const NEW: &str = "the-new-secret-of-a-pushed-tenant-2";

/// Nodes with a tenant of their own. `more` is part of their files.
pub(super) fn config(more: &str) -> String {
    format!(
        r#"
        server = {{ default_tenant = "main", shards = 2 }}
        {keys}
        [ceilings]
        deadline_ms = 1000
        hosts = ["*.customers.example"]
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [[tenants]]
        name = "main"
        anonymous = true
        default = "allow"
        {more}
        "#,
        keys = full_key(),
    )
}

pub(super) async fn nodes(count: usize, redis: &Redis) -> Nodes {
    Nodes::start_with(count, &redis.url(), &config("")).await
}

pub(super) async fn acme(broker: &Broker, secret: &str) -> Client {
    let token = token_by(secret, "ann");
    broker.dial("ann").tenant("acme").token(&token).connect().await
}

pub(super) async fn refuses(broker: &Broker, secret: &str) {
    let token = token_by(secret, "ann");
    broker
        .dial("ann")
        .tenant("acme")
        .token(&token)
        .connect_refused(4401)
        .await;
}

/// The version that a node would be asked to replace.
pub(super) async fn tag(broker: &Broker) -> String {
    broker.pushed("acme").await.tag()
}

/// Waits until a node lets in who has a token of this secret.
pub(super) async fn learns(broker: &Broker, secret: &str) {
    eventually(PATIENCE, "the new secret", async || {
        let dial = broker.dial("ann").tenant("acme").token(&token_by(secret, "ann"));
        let (response, _) = dial.upgrade().await;
        if response.status == 404 {
            return None;
        }
        let mut client = dial.open().await;
        let id = client.send("connect", dial.payload()).await;
        (client.reply(&id).await.kind() == "ack").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_answered_is_in_force_on_all_nodes() {
    let redis = Redis::start().await;
    let nodes = nodes(3, &redis).await;
    nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    let mut anns = Vec::new();
    for broker in nodes.running() {
        let mut ann = acme(broker, OLD).await;
        ann.subscribe("c").await;
        anns.push(ann);
    }
    anns[0].publish("hi").await;
    for ann in &mut anns {
        ann.expect_message("hi").await;
    }
    let second = nodes[1].push_everywhere("acme", &keyed(NEW, "")).await;
    for broker in nodes.running() {
        refuses(broker, OLD).await;
        acme(broker, NEW).await.still_works().await;
        assert_eq!(tag(broker).await, second);
    }
    for ann in &mut anns {
        ann.still_works().await;
    }
    let deleted = nodes[2].delete("acme").await;
    assert_eq!(deleted.json["nodes"].as_array().map(Vec::len), Some(3), "{deleted:?}");
    for ann in &mut anns {
        ann.expect_disconnect(4507, "tenant_disabled", false).await;
    }
    for broker in nodes.running() {
        assert_eq!(broker.dial("ann").tenant("acme").refused().await.status, 404);
        broker.pushed("acme").await.problem(404, "unknown_tenant");
    }
}

#[tokio::test]
async fn of_two_pushes_at_once_on_two_nodes_one_is_made_or_both_in_an_order() {
    let redis = Redis::start().await;
    let nodes = nodes(2, &redis).await;
    let mut version = nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    for _ in 0..5 {
        let condition = format!("If-Match: {version}");
        let (old, new) = (keyed(OLD, ""), keyed(NEW, ""));
        let (one, other) = tokio::join!(
            nodes[0].push_if("acme", &old, &condition),
            nodes[1].push_if("acme", &new, &condition)
        );
        let (made, refused) = match one.response.status {
            200 => (one, other),
            _ => (other, one),
        };
        made.tag();
        refused.problem(412, "other_version");
        let (one, other) = tokio::join!(nodes[0].push("acme", &old), nodes[1].push("acme", &new));
        let tags = [one.tag(), other.tag()];
        version = tag(&nodes[0]).await;
        assert!(tags.contains(&version), "{tags:?} {version}");
        let (good, bad) = if version == tags[0] { (OLD, NEW) } else { (NEW, OLD) };
        for broker in nodes.running() {
            learns(broker, good).await;
            refuses(broker, bad).await;
        }
    }
    // Two tenants at once that want the same host.
    let text = "hosts = [\"a.customers.example\"]\nanonymous = true\n";
    let (one, other) = tokio::join!(nodes[0].push("one", text), nodes[1].push("other", text));
    let (made, refused) = match one.response.status {
        200 => (one, other),
        _ => (other, one),
    };
    made.tag();
    let problems = refused.problems();
    assert!(problems[0].0.starts_with("hosts"), "{problems:?}");
}

#[tokio::test]
async fn a_node_that_was_down_has_the_new_rules_when_it_is_ready() {
    let redis = Redis::start().await;
    let mut nodes = nodes(2, &redis).await;
    nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    nodes[0].push_everywhere("gone", "anonymous = true\n").await;
    nodes.kill(1).await;
    nodes[0].push("acme", &keyed(NEW, "")).await.tag();
    nodes[0].delete("gone").await.tag();
    nodes.revive(1).await;
    refuses(&nodes[1], OLD).await;
    acme(&nodes[1], NEW).await.still_works().await;
    assert_eq!(nodes[1].dial("bob").tenant("gone").refused().await.status, 404);
}

#[tokio::test]
async fn a_node_that_hung_learns_what_was_changed_meanwhile() {
    let redis = Redis::start().await;
    let nodes = nodes(2, &redis).await;
    nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    let mut ann = acme(&nodes[1], OLD).await;
    nodes[1].pause();
    let answer = nodes[0].push("acme", &keyed(NEW, "")).await;
    let told: Vec<_> = answer.json["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["done"] == true)
        .collect();
    assert_eq!(told.len(), 1, "the other one does not answer: {answer:?}");
    nodes[1].resume();
    learns(&nodes[1], NEW).await;
    refuses(&nodes[1], OLD).await;
    nodes[1].pause();
    nodes[0].delete("acme").await.tag();
    nodes[1].resume();
    ann.expect_disconnect(4507, "tenant_disabled", false).await;
}

#[tokio::test]
async fn a_node_without_the_plugin_quarantines_the_tenant_and_the_others_serve_it() {
    let redis = Redis::start().await;
    let nodes = nodes(1, &redis).await;
    let backplane = format!("backplane = {{ kind = \"redis\", url = \"{}\" }}\n", redis.url());
    let without = config("")
        .replace("[plugins.authorize]\n        file = \"plugins/authorize.wasm\"", "")
        .replace("shards = 2", "shards = 2, node = \"without\"");
    let odd = Broker::start(&format!("{backplane}{without}")).await;
    eventually(PATIENCE, "readiness", async || {
        (odd.admin_get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let answer = nodes[0]
        .push("acme", &keyed(OLD, "hosts = [\"acme.customers.example\"]"))
        .await;
    answer.tag();
    let told = answer.json["nodes"].as_array().unwrap();
    let of = |name: &str| {
        told.iter()
            .find(|node| node["node"] == name)
            .unwrap_or_else(|| panic!("{told:?}"))
    };
    assert_eq!(of("node-0")["done"], true);
    assert_eq!(of("without")["done"], false);
    assert!(
        of("without")["reason"].as_str().unwrap().contains("no plugin is named"),
        "{told:?}"
    );
    acme(&nodes[0], OLD).await.still_works().await;
    let dial = odd.dial("ann").host("acme.customers.example");
    dial.open().await.expect_disconnect(4003, "server_error", true).await;
    let ready = odd.admin_get("/readyz").await;
    assert!(
        ready.status == 200 && ready.body.contains("quarantined: acme: "),
        "{ready:?}"
    );
    odd.log()
        .wait_for(&["a tenant is quarantined", "acme", "no plugin is named"])
        .await;
    // It cannot be pushed from there, and can be deleted from there.
    let problems = odd.push("acme", &keyed(OLD, "")).await.problems();
    assert_eq!(problems[0].0, "chain[0].plugin", "{problems:?}");
    odd.delete("acme").await.tag();
    assert_eq!(odd.dial("ann").tenant("acme").refused().await.status, 404);
    assert_eq!(odd.admin_get("/readyz").await.body, "ready\n");
    let mut main = odd.connect("main").await;
    main.still_works().await;
}

#[tokio::test]
async fn a_node_whose_files_have_the_tenant_keeps_its_own() {
    let redis = Redis::start().await;
    let nodes = nodes(1, &redis).await;
    nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    let own =
        config("[[tenants]]\nname = \"acme\"\nanonymous = true\n").replace("shards = 2", "shards = 2, node = \"own\"");
    let own = Broker::start(&format!(
        "backplane = {{ kind = \"redis\", url = \"{}\" }}\n{own}",
        redis.url()
    ))
    .await;
    own.log().wait_for(&["a pushed tenant is not in force", "acme"]).await;
    eventually(PATIENCE, "readiness", async || {
        (own.admin_get("/readyz")
            .await
            .body
            .contains("acme: it was pushed, and is not in force"))
        .then_some(())
    })
    .await;
    own.dial("guest").tenant("acme").connect().await.still_works().await;
    own.push("acme", &keyed(OLD, ""))
        .await
        .problem(409, "configured_tenant");
    // It goes where it was pushed, and only there.
    nodes[0].delete("acme").await.tag();
    assert_eq!(nodes[0].dial("ann").tenant("acme").refused().await.status, 404);
    own.dial("guest").tenant("acme").connect().await.still_works().await;
    own.push("acme", &keyed(OLD, ""))
        .await
        .problem(409, "configured_tenant");
    own.delete("acme").await.problem(409, "configured_tenant");
}
