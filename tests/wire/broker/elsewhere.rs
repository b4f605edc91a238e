//! Strings of the config that stand in variables and in files: taken at the start and at each reload, and told nowhere.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::admin::full_key;
use crate::support::broker::{run, run_with_variables};
use crate::support::config::{Home, complete};
use crate::support::metrics::Metrics;
use crate::support::push::token_by;
use crate::support::{Broker, Value, json, token};

const OLD: &str = "the-old-secret-of-an-issuer-0123456789";
const NEW: &str = "the-new-secret-of-an-issuer-0123456789";

/// A tenant whose tokens are signed with the keys of a file.
const KEYED: &str = r#"
    [plugins.authorize]
    file = "plugins/authorize.wasm"
    [[tenants]]
    name = "t"
    [[tenants.chain]]
    plugin = "authorize"
    deadline_ms = 1000
    [tenants.chain.config]
    keys = [{ jwks = { file = "jwks.json" } }]
    rules = [{ channels = "**", allow = ["subscribe", "publish"] }]
"#;

/// A key set as an issuer publishes it.
fn jwks(secret: &str) -> String {
    let key = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret) });
    format!("{}\n", json!({ "keys": [key] }))
}

async fn keyed(server: &str) -> Broker {
    let home = Home::new();
    home.put("jwks.json", jwks(OLD));
    let config = format!("server = {{ default_tenant = \"t\", {server} }}\n{KEYED}");
    Broker::start_at(home, "info", &config).await
}

async fn let_in(broker: &Broker, secret: &str, user: &str) {
    let dial = broker.dial(user).token(&token_by(secret, user));
    dial.connect().await.close().await;
}

fn reloads(metrics: &Metrics) -> f64 {
    metrics.sum("sluicegate_reloads_total", &[]).unwrap_or(0.0)
}

#[tokio::test]
async fn a_rotated_key_set_holds_from_the_reload_on_and_sessions_stay() {
    let broker = keyed("").await;
    let mut ann = broker.dial("ann").token(&token_by(OLD, "ann")).connect().await;
    // What did not change is not bound again.
    let mark = broker.log().mark();
    broker.hang_up().await;
    broker
        .log()
        .wait_after(mark, &["config and plugins are reloaded", "changed=0"])
        .await;
    broker.home.put("jwks.json", jwks(NEW));
    let mark = broker.log().mark();
    broker.hang_up().await;
    broker
        .log()
        .wait_after(mark, &["config and plugins are reloaded", "changed=1"])
        .await;
    ann.still_works().await;
    broker
        .dial("bob")
        .token(&token_by(OLD, "bob"))
        .connect_refused(4401)
        .await;
    let_in(&broker, NEW, "bob").await;

    // A set that cannot be used, and one that is not there, change nothing.
    for content in [Some("{"), None] {
        match content {
            Some(content) => broker.home.put("jwks.json", content),
            None => fs::remove_file(broker.home.path("jwks.json")).unwrap(),
        }
        let mark = broker.log().mark();
        broker.hang_up().await;
        let why = match content {
            Some(_) => "`jwks` is no JWK Set",
            None => "tenants[0].chain[0].config.keys[0].jwks: the file",
        };
        broker.log().wait_after(mark, &[why]).await;
        let_in(&broker, NEW, "bob").await;
    }
    broker.home.put("jwks.json", jwks(OLD));
    broker.hang_up().await;
    let_in(&broker, OLD, "bob").await;
    ann.still_works().await;
}

#[tokio::test]
async fn a_watched_file_needs_no_signal() {
    let broker = keyed("watch = true").await;
    let before = reloads(&broker.metrics().await);
    broker.home.put("jwks.json", jwks(NEW));
    broker
        .metrics_when("a reload", |metrics| reloads(metrics) > before)
        .await;
    let_in(&broker, NEW, "bob").await;
}

#[tokio::test]
async fn what_is_missing_is_told_with_file_and_key() {
    let home = Home::new();
    home.write(&complete(
        r#"
        tenants = [{ name = { env = "NO_SUCH_NAME" }, hosts = [{ file = "no-such-file" }] }]
        "#,
    ));
    let file = home.config();
    let (code, said, log) = run(&["config", "check", "--config", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(1), "{said}{log}");
    for told in [
        "tenants[0].name: the variable \"NO_SUCH_NAME\" is not set",
        "tenants[0].hosts[0]: the file ",
    ] {
        let line = said.lines().find(|line| line.contains(told));
        assert!(
            line.is_some_and(|line| line.contains("sluicegate.toml:")),
            "{told}: {said}"
        );
    }
    home.write(&complete(KEYED));
    let (code, said, log) = run(&["config", "check", "--config", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(1), "{said}{log}");
    assert!(said.contains("chain[0].config.keys[0].jwks: the file "), "{said}");
}

/// Secrets of everybody, each in another place.
const VARIABLES: [(&str, &str); 3] = [
    ("SENTINEL", "canary-of-the-sentinels"),
    ("TENANT", "canary-of-the-tenant-0123456789abcdef"),
    ("WORD", "canary-in-a-wrong-place"),
];
const FILES: [(&str, &str); 4] = [
    ("url", "redis://ann:canary-in-the-url@127.0.0.1:1/0\n"),
    ("jwks", "{ \"canary-of-an-issuer\": 1 }\n"),
    ("short", "canary-short"),
    ("init", "canary-that-init-repeats:**:x"),
];
const INLINE: &str = "canary-that-stands-in-the-file-itself";

fn secret_home() -> Home {
    let home = Home::new();
    for (name, content) in FILES {
        home.put(name, content);
    }
    home
}

/// A tenant that is well, and some whose settings are wrong in other ways.
fn secret_config(backplane: &str, admin: &str) -> String {
    let tenant = |name: &str, config: &str| {
        format!(
            "[[tenants]]\nname = \"{name}\"\ndefault = \"allow\"\n[[tenants.chain]]\nplugin = \"authorize\"\n\
             hooks = [\"connect\"]\ndeadline_ms = 1000\nconfig = {{ {config} }}\n"
        )
    };
    [
        "server = { default_tenant = \"well\" }\n[plugins.authorize]\nfile = \"plugins/authorize.wasm\"\n",
        backplane,
        admin,
        &tenant("well", "keys = [{ alg = \"HS256\", secret = { env = \"TENANT\" } }]"),
        &tenant("inline", &format!("keys = [{{ alg = \"HS256\", secret = \"{INLINE}\" }}]")),
        &tenant("wrong-set", "keys = [{ jwks = { file = \"jwks\" } }]"),
        &tenant("too-short", "keys = [{ alg = \"HS256\", secret = { file = \"short\" } }]"),
        &tenant("no-algorithm", "keys = [{ alg = { env = \"WORD\" }, secret = \"x\" }]"),
        &tenant("no-pattern", "rules = [{ channels = \"**:{canary\", allow = [\"publish\"] }]"),
        &tenant("repeats", "rules = [{ channels = { file = \"init\" }, allow = [\"publish\"] }]"),
        "[plugins.repeats]\nfile = \"guests/init-repeats.wasm\"\n[[tenants]]\nname = \"told\"\n[[tenants.chain]]\n\
         plugin = \"repeats\"\ndeadline_ms = 500\nconfig = { taken = { file = \"jwks\" }, marked = [\"canary-that-is-marked\"], \
         secret = \"canary-by-its-key\", plain = \"it is plain\" }\n",
        &tenant("no-word", "rules = [{ channels = \"**\", allow = [{ env = \"WORD\" }] }]"),
    ]
    .concat()
}

#[track_caller]
fn tells_nothing(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what}: there was something to look at");
    for secret in VARIABLES
        .iter()
        .chain(&FILES)
        .map(|(_, content)| content.trim())
        .chain([
            INLINE,
            "canary-in-the-url",
            "canary-of-an-issuer",
            "canary-that-is-marked",
            "canary-by-its-key",
        ])
    {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{what} tells {secret}");
    }
}

#[tokio::test]
async fn no_secret_is_told_anywhere() {
    let config = secret_config("", &full_key());
    let broker = Broker::start_with_variables(&VARIABLES, secret_home(), &config).await;
    let (_, secret) = VARIABLES[1];
    let mut ann = broker.dial("ann").token(&token_by(secret, "ann")).connect().await;
    broker.dial("bob").token(&token::of("bob")).connect_refused(4401).await;
    ann.subscribe("c").await.publish("hi").await.expect_message("hi").await;
    broker.hang_up().await;
    for path in ["/readyz", "/healthz", "/metrics"] {
        tells_nothing(path, &broker.admin_get(path).await.body);
    }
    let ready = broker.admin_get("/readyz").await.body;
    assert!(ready.contains("quarantined: too-short"), "{ready}");
    assert!(ready.contains("it is plain"), "init repeated its settings: {ready}");
    for path in [
        "/tenants/well/config",
        "/tenants/too-short/config",
        "/tenants/well/connections",
        "/tenants/well/channels",
        "/nodes",
        "/openapi.json",
    ] {
        let answer = broker.call("GET", path, Value::Null).await;
        tells_nothing(path, &answer.response.body);
    }
    broker.terminate();
    assert_eq!(broker.exit_code().await, Some(0));
    tells_nothing("the log", &broker.log().text());
    tells_nothing("stdout", &broker.printed().text());
}

#[tokio::test]
async fn no_secret_is_told_where_redis_is_not_reached() {
    for backplane in [
        "[backplane]\nkind = \"redis\"\nurl = { file = \"url\" }\ntimeout_ms = 50\n",
        "[backplane]\nkind = \"redis\"\nurl = \"redis+sentinel://127.0.0.1:1/main\"\nsentinel_password = { env = \"SENTINEL\" }\n\
         timeout_ms = 50\n",
        "[backplane]\nkind = { env = \"WORD\" }\nurl = { env = \"WORD\" }\nprefix = { file = \"url\" }\n",
    ] {
        let home = secret_home();
        let config = secret_config(backplane, &full_key());
        home.write(&complete(&config));
        let file = home.config();
        let file = file.to_str().unwrap();
        for command in ["check", "show"] {
            let (_, said, log) = run_with_variables(&VARIABLES, &["config", command, "--config", file]).await;
            tells_nothing(command, &format!("{said}{log}"));
        }
        if backplane.contains("WORD") {
            let (code, said, log) = run_with_variables(&VARIABLES, &["serve", "--config", file]).await;
            assert_eq!(code, Some(1));
            tells_nothing("serve", &format!("{said}{log}"));
            continue;
        }
        let broker = Broker::start_with_variables(&VARIABLES, home, &config).await;
        let (_, secret) = VARIABLES[1];
        let mut ann = broker.dial("ann").token(&token_by(secret, "ann")).connect().await;
        ann.fails("subscribe", json!({ "channel": "c" }), 4504).await;
        tells_nothing("/readyz", &broker.admin_get("/readyz").await.body);
        broker.terminate();
        broker.exit_code().await;
        tells_nothing("the log", &broker.log().text());
    }
}

#[tokio::test]
async fn a_token_is_minted_with_a_secret_from_elsewhere_of_a_tenant_with_a_file() {
    let home = Home::new();
    fs::create_dir(home.path("tenants.d")).unwrap();
    home.put("tenants.d/secret", format!("{NEW}\n"));
    home.put(
        "tenants.d/acme.toml",
        r#"
        [[chain]]
        plugin = "authorize"
        deadline_ms = 1000
        config = { issuer = { env = "ISSUER" }, keys = [{ alg = "HS256", secret = { file = "secret" } }] }
        "#,
    );
    let config = r#"
        server = { tenants_dir = "tenants.d", default_tenant = "acme" }
        plugins = { authorize = { file = "plugins/authorize.wasm" } }
    "#;
    let variables = [("ISSUER", "https://issuer.example")];
    let broker = Broker::start_with_variables(&variables, home, config).await;
    let file = broker.home.config();
    let args = [
        "token",
        "--config",
        file.to_str().unwrap(),
        "--tenant",
        "acme",
        "--user",
        "ann",
    ];
    let (code, token, log) = run_with_variables(&variables, &args).await;
    assert_eq!(code, Some(0), "{log}");
    let ann = broker.dial("ann").token(token.trim()).connect().await;
    assert_eq!(ann.welcome["user"], "ann");
    // Where the variable is missing, that is what is told.
    let (code, _, log) = run(&args).await;
    assert_eq!(code, Some(1));
    assert!(
        log.contains("chain[0].config.issuer: the variable \"ISSUER\" is not set"),
        "{log}"
    );
}
