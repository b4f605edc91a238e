//! What is not pushed, and changes nothing.

use tokio::task::JoinSet;

use super::push::{OLD, OWN, READER, acme, broker};
use crate::support::admin::{self, KEY};
use crate::support::push::keyed;
use crate::support::{PATIENCE, Value, eventually};

#[tokio::test]
async fn one_that_does_not_check_out_is_refused_with_all_its_problems() {
    let broker = broker().await;
    broker
        .push("beta", "hosts = [\"beta.customers.example\"]\nanonymous = true\n")
        .await
        .tag();
    let tag = broker.push("acme", &keyed(OLD, "")).await.tag();
    let mut ann = acme(&broker, OLD).await;
    ann.subscribe("c").await;
    let mut main = broker.connect("main").await;
    main.subscribe("c").await;
    let one_entry = |lines: &str| format!("[[chain]]\nplugin = \"authorize\"\n{lines}");
    let many_rules = "[[channels]]\nmatch = \"a\"\n".repeat(10_000);
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("no toml", &[("", "expected")]),
        ("\u{0}", &[("", "")]),
        (
            "defaults = true\n",
            &[("defaults", "not a known key. the nearest known key is `default`")],
        ),
        ("name = \"Acme\"\n", &[("name", "\"Acme\"")]),
        ("hosts = [\"acme.example\"]\n", &[("hosts[0]", "acme.example")]),
        (
            "hosts = [\"main.customers.example\"]\n",
            &[("hosts[0]", "another tenant's")],
        ),
        (
            "hosts = [\"BETA.customers.example\"]\n",
            &[("hosts[0]", "another tenant's")],
        ),
        (
            &one_entry("deadline_ms = 1001\n"),
            &[("chain[0].deadline_ms", "[ceilings]")],
        ),
        (
            &one_entry("memory_mib = 33\n"),
            &[("chain[0].memory_mib", "[ceilings]")],
        ),
        (
            &one_entry("grants = [\"metrics\"]\n"),
            &[("chain[0].grants[0]", "metrics")],
        ),
        ("[limits]\nconnections = 101\n", &[("limits.connections", "[ceilings]")]),
        (
            "[[chain]]\nplugin = \"authorizes\"\n",
            &[("chain[0].plugin", "no plugin is named \"authorizes\"")],
        ),
        (&one_entry("config = { keys = 5 }\n"), &[("chain[0]", "")]),
        ("[[chain]]\nplugin = \"refuses\"\n", &[("chain[0]", "not to my taste")]),
        ("[[chain]]\nplugin = \"traps\"\n", &[("chain[0]", "init trapped")]),
        ("token_cookie = { env = \"HOME\" }\n", &[("token_cookie", "env")]),
        (
            &one_entry("config = { keys = [{ alg = \"HS256\", secret = { file = \"/etc/passwd\" } }] }\n"),
            &[("chain[0].config.keys[0].secret", "file")],
        ),
        (&many_rules, &[("channels[1000]", "at most 1000")]),
        (
            "name = \"other\"\ndefaults = true\nhosts = [\"evil.example\", 5]\n[limits]\nconnections = 101\n[[chain]]\nplugin = \"no\"\ndeadline_ms = 5000\n",
            &[
                ("name", "other"),
                ("defaults", ""),
                ("hosts[0]", "evil.example"),
                ("hosts[1]", "integer"),
                ("limits.connections", ""),
                ("chain[0].plugin", ""),
                ("chain[0].deadline_ms", ""),
            ],
        ),
    ];
    for (text, expected) in cases {
        let head: String = text.chars().take(60).collect();
        let problems = broker.push("acme", text).await.problems();
        let keys: Vec<&str> = problems.iter().map(|(key, _)| key.as_str()).collect();
        let mut wanted: Vec<&str> = expected.iter().map(|(key, _)| *key).collect();
        let mut found = keys.clone();
        wanted.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, wanted, "{head}: {problems:?}");
        for (key, reason) in *expected {
            let said = problems.iter().any(|(at, said)| at == key && said.contains(reason));
            assert!(said, "{head}: {problems:?}");
        }
        assert_eq!(broker.pushed("acme").await.tag(), tag, "{head}");
    }
    let reloads = broker.metrics().await.sum("sluicegate_reloads_total", &[]);
    assert!(reloads.is_none_or(|reloads| reloads < 1.0), "nothing was reloaded");
    ann.publish("on").await.expect_message("on").await;
    main.publish("and on").await.expect_message("and on").await;
}

#[tokio::test]
async fn of_very_many_problems_the_first_are_told() {
    let broker = broker().await;
    let many: Vec<String> = (0..60_000).map(|n| format!("key{n} = 1")).collect();
    let problem = broker.push("acme", &many.join("\n")).await.problem(422, "bad_tenant");
    let told = problem["problems"].as_array().expect("a list");
    assert_eq!(told.len(), 100);
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("1000 problems or more"), "{detail}");
    // A name as long as the file is not compared with the known ones, and shown by its beginning.
    let long = format!("{} = 1\n", "k".repeat(1_000_000));
    let problem = broker.push("acme", &long).await.problem(422, "bad_tenant");
    let key = problem["problems"][0]["key"].as_str().expect("a text");
    assert!(key.len() <= 1_024 && key.starts_with("kkk"), "{} bytes", key.len());
    assert!(!problem["problems"][0].to_string().contains("nearest"), "{problem}");
}

/// Pushes that are under way at once.
const SLOW_PUSHES: usize = 12;

#[tokio::test]
async fn pushes_of_one_key_begin_one_after_the_other_and_those_of_another_key_between_them() {
    let broker = broker().await;
    let begun = || {
        let lines = broker.audit("audit.jsonl");
        let by_key = |key| move |line: &&Value| line["event"] == "intent" && line["key"] == key;
        (
            lines.iter().filter(by_key("ops")).count(),
            lines.iter().filter(by_key("own")).count(),
        )
    };
    let mut pushes = JoinSet::new();
    for number in 0..SLOW_PUSHES {
        let admin = broker.admin;
        pushes.spawn(async move {
            let path = format!("/tenants/slow{number}/config");
            admin::request(admin, "PUT", &path, Some(KEY), SLOW.as_bytes()).await
        });
    }
    eventually(PATIENCE, "one of them has begun", async || {
        (begun().0 > 0).then_some(())
    })
    .await;
    let own = broker.config_call(OWN, "PUT", "acme", "", "anonymous = true\n");
    let answer = own.await;
    // On a busy machine one of the others may take as long as a call may.
    assert!([200, 504].contains(&answer.response.status), "{answer:?}");
    let (slow, own) = begun();
    assert!(
        slow < SLOW_PUSHES && own == 1,
        "{slow} of {SLOW_PUSHES} and {own} had begun"
    );
    for answer in pushes.join_all().await {
        assert!([422, 504].contains(&answer.response.status), "{answer:?}");
    }
}

/// A tenant whose plugin takes seconds to find out that it does not start.
const SLOW: &str = "[[chain]]\nplugin = \"loops\"\n";

#[tokio::test]
async fn a_body_that_is_too_large_or_no_text_is_refused() {
    let broker = broker().await;
    let large = format!("#{}", "x".repeat(1_048_576));
    broker.push("acme", &large).await.problem(413, "too_large");
    let path = "/tenants/acme/config";
    let bytes = admin::request(broker.admin, "PUT", path, Some(KEY), b"a = \"\xff\"");
    bytes.await.problem(422, "bad_body");
    let bad = broker.push("a%20b", "anonymous = true\n").await;
    bad.problem(400, "bad_path");
    broker.pushed("acme").await.problem(404, "unknown_tenant");
}

#[tokio::test]
async fn a_change_is_made_on_the_version_that_it_names() {
    let broker = broker().await;
    let text = "anonymous = true\n";
    broker
        .push_if("acme", text, "If-Match: *")
        .await
        .problem(412, "other_version");
    broker
        .push_if("acme", text, "If-Match: \"1\"")
        .await
        .problem(412, "other_version");
    let first = broker.push_if("acme", text, "If-None-Match: *").await.tag();
    let problem = broker
        .push_if("acme", text, "If-None-Match: *")
        .await
        .problem(412, "other_version");
    assert_eq!(format!("\"{}\"", problem["version"].as_str().unwrap()), first);
    let second = broker.push_if("acme", text, "If-Match: *").await.tag();
    for stale in [
        format!("If-Match: {first}"),
        format!("If-Match: W/{second}"),
        "If-Match: \"not-one\"".to_owned(),
        format!("If-Match: {second}\nIf-None-Match: *"),
    ] {
        broker.push_if("acme", text, &stale).await.problem(412, "other_version");
        let delete = broker.config_call(KEY, "DELETE", "acme", &stale, "").await;
        delete.problem(412, "other_version");
    }
    for bad in ["If-Match: 5", "If-Match: \"5", "If-None-Match: \"5\""] {
        broker.push_if("acme", text, bad).await.problem(400, "bad_header");
    }
    assert_eq!(broker.pushed("acme").await.tag(), second);
    let any_of = format!("If-Match: {first}, {second}");
    // Two at once: one is made.
    let (one, other) = tokio::join!(
        broker.push_if("acme", text, &any_of),
        broker.push_if("acme", text, &any_of)
    );
    let statuses = [one.response.status, other.response.status];
    assert!(statuses.contains(&200) && statuses.contains(&412), "{statuses:?}");
}

#[tokio::test]
async fn a_key_pushes_its_own_tenant_alone_and_only_with_the_scope() {
    let broker = broker().await;
    let call = async |key: &str, method: &str, tenant: &str| {
        broker.config_call(key, method, tenant, "", "anonymous = true\n").await
    };
    for method in ["GET", "PUT", "DELETE"] {
        call(READER, method, "acme").await.problem(403, "missing_scope");
        // Whether there is such a tenant is not told.
        for tenant in ["main", "nobody"] {
            call(OWN, method, tenant).await.problem(403, "other_tenant");
        }
    }
    call(OWN, "PUT", "acme").await.tag();
    call(OWN, "GET", "acme").await.tag();
    assert_eq!(
        broker.call_as(OWN, "GET", "/tenants/acme", Value::Null).await.ok()["connections"],
        0
    );
    call(OWN, "DELETE", "acme").await.tag();
}

#[tokio::test]
async fn what_the_files_have_is_not_pushed() {
    let broker = broker().await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = broker.config_call(KEY, method, "main", "", "anonymous = true\n").await;
        answer.problem(409, "configured_tenant");
    }
    let problems = broker.push("Main", "anonymous = true\n").await.problems();
    assert!(problems[0].1.contains("by case only"), "{problems:?}");
    broker.push("acme", "anonymous = true\n").await.tag();
    let problems = broker.push("ACME", "name = \"ACME\"\n").await.problems();
    assert!(
        problems[0].0 == "name" && problems[0].1.contains("by case only"),
        "{problems:?}"
    );
}
