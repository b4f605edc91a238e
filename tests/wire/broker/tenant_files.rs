//! Tenants that have a file each: they come, change and go, and nobody else is touched.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::broker::run;
use crate::support::config::{Home, complete};
use crate::support::metrics::{Metrics, Sample};
use crate::support::{Broker, Client};

/// A config with a directory of tenants. Their plugin tells how many publishes its instance has seen.
fn config(server: &str) -> String {
    format!(
        r#"
        server = {{ tenants_dir = "tenants.d", {server} }}
        plugins = {{ calls = {{ file = "guests/counts-calls.wasm" }} }}
        "#
    )
}

/// A tenant's file.
fn tenant(chain: &str, more: &str) -> String {
    format!(
        "anonymous = true\ndefault = \"allow\"\n{more}\n[[chain]]\nplugin = \"calls\"\ndeadline_ms = 500\n{chain}\n"
    )
}

fn home(tenants: &[&str]) -> Home {
    let home = Home::new();
    fs::create_dir(home.path("tenants.d")).expect("a directory for tenants");
    for name in tenants {
        home.put(&file(name), tenant("", ""));
    }
    home
}

fn file(tenant: &str) -> String {
    format!("tenants.d/{tenant}.toml")
}

async fn start(server: &str, tenants: &[&str]) -> Broker {
    Broker::start_at(home(tenants), "info", &config(server)).await
}

/// A client of this tenant that hears itself.
async fn client(broker: &Broker, tenant: &str) -> Client {
    let mut client = broker.dial(tenant).tenant(tenant).connect().await;
    client.subscribe("c").await;
    client
}

/// Publishes, and is told that the plugin's instance has seen so many publishes.
async fn publishes(client: &mut Client, so_many: u64) {
    client.publish("x").await.expect_message(so_many).await;
}

fn reloads(metrics: &Metrics, result: &str) -> f64 {
    metrics
        .sum("sluicegate_reloads_total", &[("result", result)])
        .unwrap_or(0.0)
}

#[tokio::test]
async fn one_comes_changes_and_goes_and_nobody_else_is_touched() {
    let broker = start("", &["a", "b"]).await;
    let (mut ann, mut bob) = (client(&broker, "a").await, client(&broker, "b").await);
    publishes(&mut ann, 1).await;
    publishes(&mut bob, 1).await;

    broker.home.put(&file("c"), tenant("", ""));
    broker.hang_up().await;
    publishes(&mut client(&broker, "c").await, 1).await;
    publishes(&mut ann, 2).await;
    publishes(&mut bob, 2).await;

    // Other settings, the same rules: the instance stays.
    broker
        .home
        .put(&file("b"), tenant("", "limits = { channels_per_connection = 7 }"));
    broker.hang_up().await;
    assert_eq!(client(&broker, "b").await.welcome["limits"]["channels"], 7);
    publishes(&mut bob, 3).await;

    // Other rules hold when the reload is told.
    broker.home.put(&file("b"), tenant("config = { other = true }", ""));
    broker.hang_up().await;
    publishes(&mut bob, 1).await;
    publishes(&mut ann, 3).await;

    fs::remove_file(broker.home.path(&file("b"))).unwrap();
    broker.hang_up().await;
    bob.expect_disconnect(4507, "tenant_disabled", false).await;
    assert_eq!(broker.dial("late").tenant("b").refused().await.status, 404);
    publishes(&mut ann, 4).await;
    let is_of = |sample: &Sample, tenant: &str| sample.labels.get("tenant").is_some_and(|of| of == tenant);
    let metrics = broker
        .metrics_when("nothing of the removed tenant", |metrics| {
            !metrics.samples().any(|sample| is_of(sample, "b"))
        })
        .await;
    assert_eq!(metrics.sum("sluicegate_connections", &[("tenant", "a")]), Some(1.0));

    // One of the same name is a new one.
    broker.home.put(&file("b"), tenant("", ""));
    broker.hang_up().await;
    publishes(&mut client(&broker, "b").await, 1).await;
    let logged = broker.log().text();
    assert!(logged.contains("changed=1"), "{logged}");
}

/// What is put into the directory, beside a good new file; and what is said of it.
type BadFile = (&'static str, fn(&Home), &'static [&'static [&'static str]]);

const BAD_FILES: [BadFile; 7] = [
    (
        "half-written",
        |home| home.put(&file("x"), "[[chain]]\nplugin = \"calls"),
        &[&["tenants.d/x.toml:2"]],
    ),
    (
        "two of them",
        |home| {
            home.put(&file("x"), "wait = true");
            home.put(&file("y"), "weight = 0\n[[chain]]\nplugin = \"call\"");
        },
        &[
            &["tenants.d/x.toml:1", "wait", "is not a known key"],
            &["tenants.d/y.toml:1", "weight", "1 to 100"],
            &["tenants.d/y.toml:3", "chain[0].plugin", "calls"],
        ],
    ),
    (
        "another name inside",
        |home| home.put(&file("x"), "name = \"y\""),
        &[&["tenants.d/x.toml:1", "name:", "is \\\"y\\\""]],
    ),
    (
        "another case",
        |home| home.put(&file("A"), ""),
        &[&["tenants.d/a.toml", "case does not tell them apart", "tenants.d/A.toml"]],
    ),
    (
        "another's host",
        |home| {
            home.put(&file("x"), "hosts = [\"X.example\"]");
            home.put(&file("y"), "hosts = [\"x.EXAMPLE\"]");
        },
        &[&["tenants.d/y.toml:1", "hosts[0]", "x.example"]],
    ),
    (
        "a link outside",
        |home| symlink("/etc/hostname", home.path(&file("x"))).unwrap(),
        &[&["tenants.d/x.toml", "leads out of the directory"]],
    ),
    (
        "10,000 channel rules",
        |home| home.put(&file("x"), "[[channels]]\nmatch = \"a\"\n".repeat(10_000)),
        &[&["tenants.d/x.toml:2001", "channels[1000]", "at most 1000"]],
    ),
];

#[tokio::test]
async fn a_bad_file_changes_nothing_until_it_is_mended() {
    for (what, spoil, said) in BAD_FILES {
        let broker = start("", &["a"]).await;
        let mut ann = client(&broker, "a").await;
        publishes(&mut ann, 1).await;
        broker.home.put(&file("good"), tenant("", ""));
        spoil(&broker.home);
        let mark = broker.log().mark();
        broker.hang_up().await;
        for words in said {
            broker.log().wait_after(mark, words).await;
        }
        let metrics = broker.metrics().await;
        assert_eq!(
            (reloads(&metrics, "ok"), reloads(&metrics, "failed")),
            (0.0, 1.0),
            "{what}"
        );
        publishes(&mut ann, 2).await;
        let refused = broker.dial("early").tenant("good").refused().await;
        assert_eq!(refused.status, 404, "{what}");
        // `config check` says the same.
        let path = broker.home.config();
        let (code, out, _) = run(&["config", "check", "--config", path.to_str().unwrap()]).await;
        assert_eq!((code, out.lines().count()), (Some(1), said.len()), "{what}: {out}");

        for name in ["x", "y", "A"] {
            drop(fs::remove_file(broker.home.path(&file(name))));
        }
        broker.hang_up().await;
        publishes(&mut client(&broker, "good").await, 1).await;
        publishes(&mut ann, 3).await;
    }
}

#[tokio::test]
async fn a_broker_may_begin_without_a_tenant() {
    let broker = start("", &[]).await;
    assert_eq!(broker.dial("early").tenant("a").refused().await.status, 404);
    broker.home.put(&file("a"), tenant("", ""));
    broker.hang_up().await;
    publishes(&mut client(&broker, "a").await, 1).await;
}

#[tokio::test]
async fn watched_files_are_read_again_when_they_change() {
    let broker = start("watch = true", &["a"]).await;
    let mut ann = client(&broker, "a").await;
    publishes(&mut ann, 1).await;
    let done = |result: &'static str, count: f64| move |metrics: &Metrics| reloads(metrics, result) >= count;

    broker.home.put(&file("b"), tenant("", ""));
    broker.metrics_when("the new file", done("ok", 1.0)).await;
    let mut bob = client(&broker, "b").await;
    publishes(&mut bob, 1).await;

    // Half of it, where it stands.
    fs::write(broker.home.path(&file("b")), "[[chain]").unwrap();
    broker.metrics_when("the half of a file", done("failed", 1.0)).await;
    publishes(&mut bob, 2).await;
    fs::write(broker.home.path(&file("b")), tenant("config = { other = true }", "")).unwrap();
    broker.metrics_when("the whole file", done("ok", 2.0)).await;
    publishes(&mut bob, 1).await;

    fs::remove_file(broker.home.path(&file("b"))).unwrap();
    bob.expect_disconnect(4507, "tenant_disabled", false).await;
    publishes(&mut ann, 2).await;

    broker.metrics_when("the removed file", done("ok", 3.0)).await;
    broker.home.put(
        "guests/counts-calls.wasm",
        crate::support::guests::compile("publish-allow"),
    );
    broker.metrics_when("the other plugin", done("ok", 4.0)).await;
    ann.publish("as it is").await.expect_message("as it is").await;
    broker.home.write(&complete(&config("watch = false")));
    broker.metrics_when("the other config", done("ok", 5.0)).await;
}
