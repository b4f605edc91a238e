//! Tenants that come and go by the admin API, on one node.

use crate::support::admin::{full_key, key_table};
use crate::support::push::{keyed, token_by};
use crate::support::{Broker, Client, PATIENCE, eventually};

pub(super) const OLD: &str = "the-old-secret-of-a-pushed-tenant-1";
pub(super) const NEW: &str = "the-new-secret-of-a-pushed-tenant-2";
/// A key that is good for one tenant.
pub(super) const OWN: &str = "sga_a-key-of-one-tenant-only-0123456789";
/// A key that is good for all tenants, and not for pushing them.
pub(super) const READER: &str = "sga_a-key-that-pushes-nothing-0123456789";

/// A broker with a tenant of its own, and ceilings for others.
pub(super) fn config(more: &str) -> String {
    format!(
        r#"
        server = {{ default_tenant = "main", shards = 2 }}
        [admin]
        audit_log = "audit.jsonl"
        {full}
        {own}
        {reader}
        [ceilings]
        deadline_ms = 1000
        memory_mib = 32
        grants = ["kv", "limiter"]
        hosts = ["*.customers.example"]
        [ceilings.limits]
        connections = 100
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [plugins.refuses]
        file = "guests/init-err.wasm"
        [plugins.traps]
        file = "guests/init-trap.wasm"
        [plugins.loops]
        file = "guests/init-loop.wasm"
        [[tenants]]
        name = "main"
        hosts = ["main.customers.example"]
        anonymous = true
        default = "allow"
        {more}
        "#,
        full = full_key(),
        own = key_table("own", OWN, "scopes = [\"tenants\", \"read\"]\ntenants = [\"acme\"]"),
        reader = key_table("reader", READER, "scopes = [\"read\", \"ban\"]"),
    )
}

pub(super) async fn broker() -> Broker {
    Broker::start(&config("")).await
}

pub(super) async fn acme(broker: &Broker, secret: &str) -> Client {
    let token = token_by(secret, "ann");
    broker.dial("ann").tenant("acme").token(&token).connect().await
}

async fn is_refused(broker: &Broker, secret: &str) {
    let token = token_by(secret, "ann");
    broker
        .dial("ann")
        .tenant("acme")
        .token(&token)
        .connect_refused(4401)
        .await;
}

#[tokio::test]
async fn a_tenant_comes_changes_and_goes_and_nobody_else_is_touched() {
    let broker = broker().await;
    let mut main = broker.connect("main").await;
    main.subscribe("c").await;
    assert_eq!(broker.dial("ann").tenant("acme").refused().await.status, 404);
    broker.pushed("acme").await.problem(404, "unknown_tenant");

    let answer = broker
        .push("acme", &keyed(OLD, "hosts = [\"acme.customers.example\"]"))
        .await;
    let first = answer.tag();
    assert_eq!(format!("\"{}\"", answer.json["version"].as_str().unwrap()), first);
    assert_eq!(answer.json["tenant"], "acme");
    assert_eq!(answer.json["nodes"][0]["done"], true, "{answer:?}");
    let mut ann = acme(&broker, OLD).await;
    ann.subscribe("c").await.publish("hi").await.expect_message("hi").await;
    let by_host = broker
        .dial("bob")
        .host("acme.customers.example")
        .token(&token_by(OLD, "bob"));
    by_host.connect().await.still_works().await;

    // Its secrets are not shown, and all else is.
    let shown = broker.pushed("acme").await;
    assert_eq!(shown.tag(), first);
    assert_eq!(shown.response.header("content-type"), Some("application/toml"));
    let toml: toml::Table = shown.response.body.parse().unwrap();
    assert_eq!(toml["hosts"][0].as_str(), Some("acme.customers.example"));
    assert_eq!(toml["chain"][0]["config"]["keys"][0]["secret"].as_str(), Some("***"));
    assert_eq!(toml["chain"][0]["config"]["keys"][0]["alg"].as_str(), Some("HS256"));
    assert!(!shown.response.body.contains(OLD));
    // What was shown does not become the secret.
    let problems = broker.push("acme", &shown.response.body).await.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].0, "chain[0].config.keys[0].secret");
    assert_eq!(broker.pushed("acme").await.tag(), first);

    // Who is there stays, under the new rules.
    let second = broker
        .push_if("acme", &keyed(NEW, ""), &format!("If-Match: {first}"))
        .await
        .tag();
    assert_ne!(first, second);
    is_refused(&broker, OLD).await;
    acme(&broker, NEW).await.still_works().await;
    ann.publish("still").await.expect_message("still").await;
    // Its host is gone: the default tenant is at any other host.
    assert_eq!(by_host.connect().await.welcome.get("user"), None);

    let deleted = broker.delete("acme").await;
    assert_ne!(deleted.tag(), second);
    assert_eq!(deleted.json["nodes"][0]["done"], true, "{deleted:?}");
    ann.expect_disconnect(4507, "tenant_disabled", false).await;
    assert_eq!(broker.dial("ann").tenant("acme").refused().await.status, 404);
    broker.pushed("acme").await.problem(404, "unknown_tenant");
    broker.delete("acme").await.problem(404, "unknown_tenant");
    main.publish("all along").await.expect_message("all along").await;
}

#[tokio::test]
async fn a_reload_keeps_what_was_pushed_and_the_files_win() {
    let broker = broker().await;
    broker.push("acme", &keyed(OLD, "")).await.tag();
    broker
        .push("beta", "hosts = [\"beta.customers.example\"]\nanonymous = true\n")
        .await
        .tag();
    let mut ann = acme(&broker, OLD).await;
    let mut beta = broker.dial("bob").tenant("beta").connect().await;
    broker.hang_up().await;
    ann.still_works().await;
    beta.still_works().await;
    assert_eq!(broker.admin_get("/readyz").await.body, "ready\n");

    let takes = r#"
        [[tenants]]
        name = "acme"
        hosts = ["beta.customers.example"]
        anonymous = true
    "#;
    let mark = broker.log().mark();
    broker.reload(&config(takes)).await;
    // One is another's by now, and keeps its clients under the files' rules; one has lost its host to the files.
    ann.still_works().await;
    beta.expect_disconnect(4507, "tenant_disabled", false).await;
    is_admitted_without_token(&broker).await;
    for (tenant, why) in [("acme", "tenant of this name"), ("beta", "beta.customers.example")] {
        broker.log().wait_after(mark, &["not in force", tenant, why]).await;
        eventually(PATIENCE, "it in /readyz", async || {
            let ready = broker.admin_get("/readyz").await;
            let mut lines = ready.body.lines();
            let is_it = |line: &str| line.contains(&format!(" {tenant}: ")) && line.contains(why);
            (ready.status == 200 && lines.any(is_it)).then_some(())
        })
        .await;
    }
    broker
        .push("acme", "anonymous = true\n")
        .await
        .problem(409, "configured_tenant");
    // What was pushed is there all the same, and can be taken back.
    broker.pushed("acme").await.tag();

    broker.reload(&config("")).await;
    broker.eventually_ready().await;
    acme(&broker, OLD).await.still_works().await;
    is_refused(&broker, NEW).await;
    broker
        .dial("bob")
        .host("beta.customers.example")
        .connect()
        .await
        .still_works()
        .await;
}

async fn is_admitted_without_token(broker: &Broker) {
    broker.dial("guest").tenant("acme").connect().await.still_works().await;
}

#[tokio::test]
async fn lower_ceilings_and_a_lost_plugin_quarantine_what_was_pushed() {
    let broker = broker().await;
    broker.push("acme", &keyed(OLD, "")).await.tag();
    let without = config("").replace("deadline_ms = 1000", "deadline_ms = 10");
    broker.reload(&without).await;
    eventually(PATIENCE, "the tenant in /readyz", async || {
        let ready = broker.admin_get("/readyz").await;
        ready.body.contains("quarantined: acme: ").then_some(())
    })
    .await;
    broker.reload(&config("")).await;
    broker.eventually_ready().await;
    acme(&broker, OLD).await.still_works().await;
}

#[tokio::test]
async fn the_audit_log_says_who_pushed_what_and_no_secret() {
    let broker = broker().await;
    let tag = broker.push("acme", &keyed(OLD, "")).await.tag();
    broker
        .push_if("acme", &keyed(NEW, ""), &format!("If-Match: {tag}"))
        .await
        .tag();
    broker.push("acme", "oops = 1\n").await.problem(422, "bad_tenant");
    broker.delete("acme").await.tag();
    let lines = broker.audit("audit.jsonl");
    let text = std::fs::read_to_string(broker.home.path("audit.jsonl")).unwrap();
    assert!(!text.contains(OLD) && !text.contains(NEW), "{text}");
    assert!(!broker.log().text().contains(OLD) && !broker.log().text().contains(NEW));
    let calls: Vec<_> = lines.iter().filter(|line| line["event"] == "call").collect();
    let told = |index: usize, pointer: &str| calls[index].pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(told(0, "/params/bytes"), keyed(OLD, "").len());
    assert_eq!(told(0, "/params/sha256").as_str().map(str::len), Some(64));
    assert_eq!(told(1, "/params/if_match/0"), tag.trim_matches('"'));
    assert_eq!(told(2, "/problem"), "bad_tenant");
    assert_eq!((told(3, "/method"), told(3, "/status")), ("DELETE".into(), 200.into()));
    assert_eq!(lines.iter().filter(|line| line["event"] == "intent").count(), 4);
}

impl Broker {
    /// Waits until it is ready, and nothing is remarked.
    async fn eventually_ready(&self) {
        eventually(PATIENCE, "/readyz without remarks", async || {
            (self.admin_get("/readyz").await.body == "ready\n").then_some(())
        })
        .await;
    }
}
