//! The operator's listener: health, readiness, metrics.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::broker::run;
use crate::support::{Broker, http, json, shared, token, within};

const CONFIG: &str = r#"
    server = { default_tenant = "t" }
    plugins = { transform = { file = "plugins/transform.wasm" } }
    [[tenants]]
    name = "t"
    anonymous = true
    default = "allow"
    chain = [{ plugin = "transform", deadline_ms = 200, config = { rules = [{ channels = "**", words = { heck = "****" } }] } }]
"#;

#[tokio::test]
async fn healthz_and_readyz_say_ok() {
    let broker = shared().await;
    assert_eq!(broker.admin_get("/healthz").await.status, 200);
    assert_eq!(broker.admin_get("/readyz").await.status, 200);
    assert_eq!(broker.admin_get("/nothing-here").await.status, 404);
}

/// `HAProxy` checks by `OPTIONS` and HTTP/1.0 by default.
#[tokio::test]
async fn health_checks_may_ask_by_get_head_and_options() {
    let broker = Broker::start("tenants = [{ name = \"t\" }]").await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        for request in [
            format!("OPTIONS {path} HTTP/1.0\r\n\r\n"),
            format!("OPTIONS {path} HTTP/1.1\r\nHost: x\r\n\r\n"),
        ] {
            let response = http::send(broker.admin, &request).await;
            assert_eq!(response.status, 200, "{request}: {response:?}");
            assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"), "{response:?}");
        }
        let head = format!("HEAD {path} HTTP/1.0\r\n\r\n");
        let mut stream = http::dial(broker.admin, None).await;
        stream.write_all(head.as_bytes()).await.expect("taken");
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer), || "no end".into())
            .await
            .expect("text");
        assert!(
            answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );

        let post = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let response = http::send(broker.admin, post).await;
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("GET, HEAD, OPTIONS"))
        );
        assert!(response.body.contains("GET"), "{response:?}");
    }
}

/// By DNS rebinding a page in a browser may reach the listener; the name that it sends is its own.
#[tokio::test]
async fn what_needs_no_key_is_told_by_the_names_of_the_config_alone() {
    let config = |admin: &str| format!("tenants = [{{ name = \"t\" }}]\nadmin = {{ {admin} }}");
    let broker = Broker::start(&config("")).await;
    let pages = ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"];
    let ask = async |path: &str, host: &str| {
        let lines = host.split('|').map(|host| format!("Host: {host}\r\n"));
        let lines: String = lines.filter(|_| host != "-").collect();
        http::send(broker.admin, format!("GET {path} HTTP/1.1\r\n{lines}\r\n")).await
    };
    let own = broker.admin.to_string();
    for path in pages {
        for (host, status) in [
            (own.as_str(), 200),
            ("127.0.0.1", 200),
            ("[::1]:8081", 200),
            ("192.0.2.7:8081", 200),
            ("localhost", 200),
            ("LOCALHOST.:1", 200),
            ("a.localhost", 200),
            ("evil.example", 421),
            ("evil.example:8081", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("broker.internal", 421),
            ("broker", 200),
            ("127.1", 421),
            ("localhost|evil.example", 400),
            ("ann@localhost", 400),
            ("localhost, evil.example", 400),
            ("", 400),
            ("-", 400),
        ] {
            let response = ask(path, host).await;
            assert_eq!(response.status, status, "{path} of {host:?}: {response:?}");
            let is_told = response.body.contains("admin.hosts");
            assert_eq!(is_told, status == 421, "{path} of {host:?}: {response:?}");
        }
        // The target goes before the header.
        for (target, host, status) in [
            ("http://evil.example", "localhost", 421),
            ("http://localhost", "evil.example", 200),
        ] {
            let request = format!("GET {target}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(http::send(broker.admin, request).await.status, status, "{target}{path}");
        }
    }
    let old = http::send(broker.admin, "GET /metrics HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.status, 200, "who names no host is no browser");
    // A call needs a key, which no page has.
    assert_eq!(ask("/api/v1/tenants/t", "evil.example").await.status, 403);
    broker
        .reload(&config("hosts = [\"Broker.internal\", \"*.ops.example\"]"))
        .await;
    for path in pages {
        for (host, status) in [
            ("broker.internal:8081", 200),
            ("a.ops.example", 200),
            ("a.b.ops.example", 421),
            ("evil.example", 421),
            ("127.0.0.1", 200),
        ] {
            assert_eq!(ask(path, host).await.status, status, "{path} of {host:?}");
        }
    }
}

#[tokio::test]
async fn what_needs_no_key_is_told_to_the_addresses_of_the_config_alone() {
    let config = "tenants = [{ name = \"t\" }]\nadmin = { open_addresses = [\"127.0.0.2\"] }";
    let broker = Broker::start(config).await;
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"] {
        let refused = broker.admin_get(path).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.body.contains("admin.open_addresses"), "{refused:?}");
        let mut stream = http::dial_from(Some([127, 0, 0, 2].into()), broker.admin, None).await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("taken");
        let (response, _) = http::respond(&mut stream).await;
        assert_eq!(response.status, 200, "{path}");
    }
}

/// A key that comes twice, or cannot be read, counts as absent.
#[tokio::test]
async fn the_key_of_an_admin_call_comes_once_and_is_text() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let config = format!(
        "tenants = [{{ name = \"t\" }}]\n[[admin.keys]]\nname = \"k\"\nsha256 = \"{hash}\"\nscopes = [\"read\"]"
    );
    let broker = Broker::start(&config).await;
    for (lines, words) in [
        (
            &b"Authorization: Bearer a\r\nAuthorization: Bearer a"[..],
            "more than once",
        ),
        (b"Authorization: Bearer \xff", "ASCII"),
        (b"Authorization: Bearer ", "Authorization: Bearer KEY"),
        (b"Authorization: Basic a", "Authorization: Bearer KEY"),
    ] {
        let head = b"GET /api/v1/tenants/t HTTP/1.1\r\nHost: x\r\n";
        let request = [head, lines, b"\r\n\r\n"].concat();
        let response = http::send(broker.admin, request).await;
        assert_eq!(response.status, 401, "{response:?}");
        assert!(response.body.contains(words), "{response:?}");
    }
}

#[tokio::test]
async fn a_slow_request_is_told_so() {
    let broker = Broker::start("server = { header_timeout_ms = 200 }\ntenants = [{ name = \"t\" }]").await;
    assert_eq!(http::send(broker.admin, "GET /healthz HT").await.status, 408);
    assert_eq!(
        http::send(broker.admin, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .status,
        505
    );
}

#[tokio::test]
async fn paths_of_nothing_are_told_what_there_is() {
    let broker = Broker::start("tenants = [{ name = \"t\" }]").await;
    for path in ["/", "/health", "/api", "/api/v2/tenants", "/metrics/"] {
        let response = broker.admin_get(path).await;
        assert_eq!(response.status, 404, "{path}");
        assert!(
            response.body.contains("/readyz") && response.body.contains("/api/v1"),
            "{response:?}"
        );
    }
    for path in ["/", "/health", "/t/ws"] {
        let response = http::get(broker.address, path).await;
        assert_eq!(response.status, 404, "{path}");
        assert!(response.body.contains("/ws"), "{response:?}");
    }
}

#[tokio::test]
async fn the_operators_pages_are_not_on_the_clients_listener() {
    let broker = shared().await;
    for path in ["/metrics", "/readyz"] {
        let response = crate::support::http::get(broker.address, path).await;
        assert_eq!(response.status, 404, "{path}");
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let broker = Broker::start(CONFIG).await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    ann.subscribe("c").await;
    bob.subscribe("c").await.subscribe("d").await;
    bob.to("c").publish("heck").await.publish("fence").await;
    ann.expect_messages(["****", "fence"]).await;
    bob.expect_messages(["****", "fence"]).await;
    let mut carl = broker.connect("carl").await;
    carl.send_text("{").await.expect_close(4500).await;

    let is_settled = |m: &crate::support::metrics::Metrics| m.sum("sluicegate_connections", &[]) == Some(2.0);
    let metrics = broker.metrics_when("two connections", is_settled).await;
    let is = |name: &str, labels: &[(&str, &str)], value: f64| {
        assert_eq!(metrics.sum(name, labels), Some(value), "{name} {labels:?}\n{metrics:?}");
    };
    is("sluicegate_subscriptions", &[], 3.0);
    is("sluicegate_publishes_total", &[], 2.0);
    is("sluicegate_deliveries_total", &[], 4.0);
    is("sluicegate_outbox_bytes", &[], 0.0);
    is("sluicegate_disconnects_total", &[("code", "4500")], 1.0);
    let hook = [("tenant", "t"), ("plugin", "transform"), ("hook", "publish")];
    is("sluicegate_hook_seconds_count", &hook, 2.0);
    is(
        "sluicegate_hook_seconds_bucket",
        &[hook[0], hook[1], hook[2], ("le", "+Inf")],
        2.0,
    );
    assert!(
        metrics
            .sum("sluicegate_hook_seconds_sum", &hook)
            .is_some_and(|seconds| seconds > 0.0)
    );
    is("sluicegate_hook_verdicts_total", &hook, 2.0);
    is(
        "sluicegate_hook_verdicts_total",
        &[hook[0], hook[1], hook[2], ("verdict", "replace")],
        1.0,
    );
    assert!(
        metrics.names().any(|name| name == "sluicegate_reloads_total"),
        "{metrics:?}"
    );
}

#[tokio::test]
async fn refused_publishes_are_no_deliveries() {
    let broker = shared().await;
    let mut ann = broker.dial_as("ann-refused").connect().await;
    ann.fails("publish", json!({ "channel": "secret:1", "data": 1 }), 4403)
        .await;
    let verdicts = [
        ("tenant", "keyed"),
        ("plugin", "authorize"),
        ("hook", "publish"),
        ("verdict", "deny"),
    ];
    let counted =
        |m: &crate::support::metrics::Metrics| m.sum("sluicegate_hook_verdicts_total", &verdicts) >= Some(1.0);
    broker.metrics_when("the denial", counted).await;
}

#[tokio::test]
async fn an_empty_admin_listen_turns_it_off() {
    use crate::support::config::{Home, complete};
    let home = Home::new();
    home.write(&complete(
        "server = { admin_listen = \"\" }\ntenants = [{ name = \"t\" }]",
    ));
    let process = crate::support::broker::serve(&home, "info").await;
    process.stdout.wait_for(&["listening on http://"]).await;
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(process.exit_code().await, Some(0));
    assert!(!process.stdout.text().contains("admin on"), "{}", process.stdout.text());
}

#[tokio::test]
async fn token_mints_what_the_broker_accepts() {
    let broker = shared().await;
    let config = broker.home.config();
    let config = config.to_str().expect("a path in UTF-8");
    let args = ["token", "--config", config, "--tenant", "keyed", "--user", "ann-of-cli"];
    let (code, token, log) = run(&args).await;
    assert_eq!(code, Some(0), "{log}");
    let ann = broker.dial("ann").tenant("keyed").token(token.trim()).connect().await;
    assert_eq!(ann.welcome["user"], "ann-of-cli");

    let more = [&args[..], &["--ttl", "2h", "--claims", r#"{"role":"admin"}"#]].concat();
    let (code, token, log) = run(&more).await;
    assert_eq!(code, Some(0), "{log}");
    let ann = broker.dial("ann").tenant("keyed").token(token.trim()).connect().await;
    let expires = ann.welcome["expires_at"].as_i64().expect("an expiry") / 1000;
    assert!(
        (expires - token::seconds(7200)).abs() < 120,
        "in two hours: {}",
        ann.welcome
    );
}

#[tokio::test]
async fn token_says_what_is_wrong() {
    let broker = shared().await;
    let config = broker.home.config();
    let config = config.to_str().expect("a path in UTF-8");
    let wrongs: [(&[&str], &str); 3] = [
        (&["--tenant", "nobody", "--user", "ann"], "nobody"),
        (&["--tenant", "open", "--user", "ann"], "open"),
        (&["--tenant", "keyed", "--user", "ann", "--claims", "[1]"], "claims"),
    ];
    for (wrong, word) in wrongs {
        let (code, out, log) = run(&[&["token", "--config", config], wrong].concat()).await;
        assert!(code.is_some_and(|code| code != 0), "{wrong:?}: {out}");
        assert!(log.contains(word), "{wrong:?}: {log}");
    }
}
