//! Quarantine: a tenant whose plugins fail when they are loaded hurts nobody else, and is never run without one of them.

use std::collections::BTreeSet;

use crate::support::admin;
use crate::support::broker::{run, serve};
use crate::support::config::{Home, complete};
use crate::support::guests::compile;
use crate::support::metrics::Metrics;
use crate::support::{Broker, Value, json};

/// The tenant `victim`, which is the default one and has a good plugin, and `mallory`, who has another plugin beside
/// it and would let in everybody without them.
fn config(more: &str, victim: &str, mallory: &str) -> String {
    format!(
        r#"
        plugins = {{ good = {{ file = "guests/publish-allow.wasm" }}, bad = {{ file = "guests/bad.wasm" }} }}
        {more}
        [[tenants]]
        name = "victim"
        anonymous = true
        default = "allow"
        {victim}
        chain = [{{ plugin = "good", deadline_ms = 500 }}]
        [[tenants]]
        name = "mallory"
        anonymous = true
        default = "allow"
        {mallory}
        chain = [
            {{ plugin = "good", deadline_ms = 500 }},
            {{ plugin = "bad", deadline_ms = 500, grants = ["kv", "limiter", "metrics"], config = {{ good = 9 }} }},
        ]
        "#
    )
}

const BY_DEFAULT: &str = "server = { default_tenant = \"victim\" }";

/// A folder in which the plugin `bad` has these bytes.
fn home(bad: &[u8]) -> Home {
    let home = Home::new();
    home.put("guests/bad.wasm", bad);
    home
}

/// Starts a broker for which the plugin `bad` has these bytes; none: it is not there.
async fn start(bad: Option<&[u8]>, config: &str) -> Broker {
    match bad {
        Some(bytes) => Broker::start_at(home(bytes), "info", config).await,
        None => Broker::start(&config.replace("guests/bad.wasm", "no-such.wasm")).await,
    }
}

fn quarantined(metrics: &Metrics, tenant: &str) -> Option<f64> {
    metrics.sum("sluicegate_tenant_quarantined", &[("tenant", tenant)])
}

async fn sent_away(broker: &Broker) -> u64 {
    let mut client = broker.dial("mallory").tenant("mallory").open().await;
    let notice = client.expect_disconnect(4003, "server_error", true).await;
    notice["retry_after_ms"].as_u64().expect("a time to come back after")
}

async fn says_hello(broker: &Broker, tenant: &str, name: &str) {
    let mut client = broker.dial(name).tenant(tenant).connect().await;
    client
        .subscribe("c")
        .await
        .publish("hello")
        .await
        .expect_message("hello")
        .await;
}

#[tokio::test]
async fn at_the_start_its_clients_are_sent_away_and_nobody_elses() {
    let cases: [(Option<Vec<u8>>, &str); 5] = [
        (Some(compile("init-err")), "not to my taste"),
        (Some(compile("init-trap")), "init trapped"),
        (Some(compile("imports-unknown")), "example:database/query"),
        (Some(b"no component".to_vec()), "not WebAssembly"),
        (None, "No such file"),
    ];
    for (bad, why) in cases {
        let broker = start(bad.as_deref(), &config(BY_DEFAULT, "", "")).await;
        says_hello(&broker, "victim", "ann").await;
        let mut times = BTreeSet::new();
        for _ in 0..8 {
            times.insert(sent_away(&broker).await);
        }
        assert!(times.iter().all(|ms| (15_000..60_000).contains(ms)), "{times:?}");
        assert!(times.len() > 1, "{why}: all come back at once: {times:?}");

        let ready = broker.admin_get("/readyz").await;
        assert_eq!(ready.status, 200, "{ready:?}");
        let said = "quarantined: mallory: its clients are sent away: ";
        let line = ready.body.lines().find(|line| line.starts_with(said));
        assert!(line.is_some_and(|line| line.contains(why)), "{why}: {ready:?}");
        assert!(!ready.body.contains("victim"), "{ready:?}");
        let metrics = broker.metrics().await;
        assert_eq!(quarantined(&metrics, "mallory"), Some(1.0));
        assert_eq!(quarantined(&metrics, "victim"), Some(0.0));
        broker
            .log()
            .wait_for(&["a tenant is quarantined", "mallory", why])
            .await;
    }
}

#[tokio::test]
async fn a_reload_that_mends_it_lets_it_in() {
    let broker = start(Some(&compile("init-err")), &config(BY_DEFAULT, "", "")).await;
    sent_away(&broker).await;
    broker.home.put("guests/bad.wasm", compile("publish-allow"));
    broker.hang_up().await;
    says_hello(&broker, "mallory", "mallory").await;
    assert_eq!(broker.admin_get("/readyz").await.body, "ready\n");
    assert_eq!(quarantined(&broker.metrics().await, "mallory"), Some(0.0));
}

#[tokio::test]
async fn a_new_tenant_that_fails_at_a_reload_is_sent_away_too() {
    let alone = r#"
        server = { default_tenant = "victim" }
        [[tenants]]
        name = "victim"
        anonymous = true
        default = "allow"
    "#;
    let broker = start(Some(&compile("init-err")), alone).await;
    broker.reload(&config(BY_DEFAULT, "", "")).await;
    sent_away(&broker).await;
    says_hello(&broker, "victim", "ann").await;
    // One that leaves the config is not quarantined any more.
    broker.reload(alone).await;
    assert_eq!(broker.dial("late").tenant("mallory").refused().await.status, 404);
    assert_eq!(quarantined(&broker.metrics().await, "mallory"), None);
    assert_eq!(broker.admin_get("/readyz").await.body, "ready\n");
}

#[tokio::test]
async fn at_a_reload_it_keeps_what_it_had_and_everybody_else_reloads() {
    let limits = |n: u32| format!("limits = {{ channels_per_connection = {n} }}");
    let hosts = "hosts = [\"shop.example\"]";
    let before = config(BY_DEFAULT, &limits(3), &format!("{}\n{hosts}", limits(5)));
    let broker = start(Some(&compile("init-err-later")), &before).await;
    let mut ann = broker.connect("ann").await;
    let mut mallory = broker.dial("mallory").tenant("mallory").connect().await;
    mallory.subscribe("c").await;
    let mark = broker.log().mark();

    // The host is the victim's now; whoever keeps what it had does not keep that.
    // Its init has run more than once by now.
    let after = config(BY_DEFAULT, &format!("{}\n{hosts}", limits(4)), &limits(6)).replace("good = 9", "good = 1");
    broker.reload(&after).await;
    let reloads = broker
        .metrics()
        .await
        .sum("sluicegate_reloads_total", &[("result", "ok")]);
    assert_eq!(reloads, Some(1.0));
    let channels = |welcome: &Value| welcome["limits"]["channels"].clone();
    assert_eq!(channels(&broker.connect("bob").await.welcome), 4);
    assert_eq!(
        channels(&broker.dial("carl").host("shop.example").connect().await.welcome),
        4
    );
    let again = broker.dial("dora").tenant("mallory").connect().await;
    assert_eq!(channels(&again.welcome), 5, "it keeps its settings as a whole");
    mallory.publish("still here").await.expect_message("still here").await;
    ann.subscribe("c").await.publish("hi").await.expect_message("hi").await;

    let line = broker
        .log()
        .wait_after(mark, &["a tenant is quarantined", "mallory"])
        .await;
    let ready = broker.admin_get("/readyz").await;
    assert_eq!(ready.status, 200);
    let shown = ready
        .body
        .lines()
        .find(|line| line.starts_with("quarantined: mallory: it keeps"))
        .expect("a line");
    for text in [&*line, shown] {
        assert!(text.contains("FORGED"), "{text}");
        let escaped = text.replace("\\\\", "\\");
        assert!(escaped.contains("\\u{202e}") && escaped.contains("\\u{1b}"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    assert_eq!(quarantined(&broker.metrics().await, "mallory"), Some(1.0));
}

#[tokio::test]
async fn one_file_of_many_tenants_quarantines_each_of_them() {
    let broker = start(
        Some(&compile("init-trap")),
        r#"
        plugins = { bad = { file = "guests/bad.wasm" } }
        tenants = [
            { name = "a", anonymous = true, chain = [{ plugin = "bad" }] },
            { name = "b", anonymous = true, default = "allow" },
            { name = "c", anonymous = true, chain = [{ plugin = "bad" }] },
        ]
        "#,
    )
    .await;
    says_hello(&broker, "b", "ann").await;
    let metrics = broker.metrics().await;
    let of = |tenant| quarantined(&metrics, tenant);
    assert_eq!([of("a"), of("b"), of("c")], [Some(1.0), Some(0.0), Some(1.0)]);
}

/// The broker does not start in this folder, and says why.
async fn does_not_start(home: &Home, config: &str, words: &[&str]) {
    home.write(&complete(config));
    let process = serve(home, "info").await;
    assert_eq!(process.exit_code().await, Some(1), "{}", process.stderr.text());
    assert!(!process.stdout.text().contains("listening"));
    for word in words {
        assert!(
            process.stderr.text().contains(word),
            "{word}: {}",
            process.stderr.text()
        );
    }
}

#[tokio::test]
async fn the_start_is_refused_where_nobody_would_gain_by_it() {
    let bad = compile("init-err");
    let why = "these settings are not to my taste";
    // The default tenant; all; and where the operator wants it so.
    let default = config("server = { default_tenant = \"mallory\" }", "", "");
    let all = "plugins = { bad = { file = \"guests/bad.wasm\" } }\n\
               tenants = [{ name = \"m\", chain = [{ plugin = \"bad\" }] }]";
    let strict = config("server = { strict = true }", "", "");
    for config in [&*default, all, &*strict] {
        does_not_start(&home(&bad), config, &[why]).await;
    }
}

#[tokio::test]
async fn a_strict_reload_is_refused_as_a_whole() {
    let strict = |limit: u32| {
        let limits = format!("limits = {{ channels_per_connection = {limit} }}");
        config("server = { default_tenant = \"victim\", strict = true }", &limits, "")
    };
    let broker = start(Some(&compile("publish-allow")), &strict(3)).await;
    broker.home.put("guests/bad.wasm", compile("init-err"));
    broker.reload(&strict(4)).await;
    assert_eq!(broker.connect("ann").await.welcome["limits"]["channels"], 3);
    let failed = broker
        .metrics()
        .await
        .sum("sluicegate_reloads_total", &[("result", "failed")]);
    assert_eq!(failed, Some(1.0));
    assert_eq!(quarantined(&broker.metrics().await, "mallory"), Some(0.0));
}

#[tokio::test]
async fn config_check_stays_strict() {
    let home = home(&compile("init-err"));
    home.write(&complete(&config(BY_DEFAULT, "", "")));
    let file = home.config();
    let (code, said, _) = run(&["config", "check", "--config", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("tenants[1].chain[1]") && said.contains("mallory"),
        "{said}"
    );
}

#[tokio::test]
async fn a_plugin_that_no_tenant_uses_keeps_nobody_from_starting() {
    let broker = start(
        None,
        r#"
        plugins = { unused = { file = "guests/bad.wasm" } }
        tenants = [{ name = "a", anonymous = true, default = "allow" }]
        "#,
    )
    .await;
    says_hello(&broker, "a", "ann").await;
    broker.log().wait_for(&["no tenant uses", "no-such.wasm"]).await;
}

#[tokio::test]
async fn the_operator_still_reaches_its_channels() {
    let more = format!("{BY_DEFAULT}\n{}", admin::full_key());
    let broker = start(Some(&compile("init-err")), &config(&more, "", "")).await;
    broker
        .order("/tenants/mallory/publish", json!({ "channel": "c", "data": 1 }))
        .await;
    let counts = broker.read("/tenants/mallory").await;
    assert_eq!(counts["connections"], 0);
    assert_eq!(counts["nodes"][0]["quarantined"], true, "{counts}");
    let counts = broker.read("/tenants/victim").await;
    assert_eq!(counts["nodes"][0]["quarantined"], false, "{counts}");
}
