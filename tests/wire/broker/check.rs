//! A wrong config: `config check` reports it, and `serve` refuses it with the same text.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::support::broker::{run, serve};
use crate::support::config::{Home, complete, plugin_bytes};

/// A config with one tenant whose chain has one plugin, `p`.
fn with_plugin(file: &str, chain: &str) -> String {
    format!(
        r#"
        plugins = {{ p = {{ file = "{file}" }} }}
        [[tenants]]
        name = "acme"
        anonymous = true
        [[tenants.chain]]
        plugin = "p"
        deadline_ms = 500
        {chain}
        "#
    )
}

async fn check(home: &Home) -> (Option<i32>, String) {
    let file = home.config();
    let (code, out, err) = run(&["config", "check", "--config", file.to_str().unwrap()]).await;
    (code, out + &err)
}

/// Both commands refuse `config`, with `words` in their output.
async fn refused_in(home: &Home, config: &str, words: &[&str]) {
    home.write(config);
    let (code, said) = check(home).await;
    assert_eq!(code, Some(1), "config check: {said}");
    let process = serve(home, "info").await;
    assert_eq!(process.exit_code().await, Some(1), "serve");
    let served = process.stderr.text();
    assert!(!process.stdout.text().contains("listening"), "it never listened");
    for word in words {
        assert!(said.contains(word), "config check does not say {word:?}:\n{said}");
        assert!(served.contains(word), "serve does not say {word:?}:\n{served}");
    }
}

async fn refused(config: &str, words: &[&str]) {
    refused_in(&Home::new(), config, words).await;
}

/// The tenant's one plugin has these bytes.
async fn refused_plugin(bytes: impl AsRef<[u8]>, chain: &str, words: &[&str]) {
    let home = Home::new();
    home.put("guests/p.wasm", bytes);
    refused_in(&home, &complete(&with_plugin("guests/p.wasm", chain)), words).await;
}

#[tokio::test]
async fn a_good_config_is_good() {
    let home = Home::new();
    let transform = plugin_bytes("transform");
    let mut sha256 = String::new();
    for byte in Sha256::digest(&transform) {
        write!(sha256, "{byte:02x}").expect("a string takes all");
    }
    let config = with_plugin("plugins/transform.wasm", "").replace(
        "plugins/transform.wasm\"",
        &format!("plugins/transform.wasm\", sha256 = \"{sha256}\""),
    );
    home.write(&complete(&config));
    let (code, said) = check(&home).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_typo_names_the_nearest_key() {
    for (typo, wrong, right) in [
        ("[server]\nadmin_listn = \"127.0.0.1:0\"", "admin_listn", "admin_listen"),
        ("[servr]", "servr", "server"),
        ("[[tenants]]\nname = \"a\"\nanonymus = true", "anonymus", "anonymous"),
        (
            "[[tenants]]\nname = \"a\"\n[tenants.limits]\nmesage_bytes = 2048",
            "mesage_bytes",
            "message_bytes",
        ),
        (
            "[[tenants]]\nname = \"a\"\nchannels = [{ match = \"*\", presense = true }]",
            "presense",
            "presence",
        ),
        ("[plugins.x]\nfile = \"x.wasm\"\nsha265 = \"\"", "sha265", "sha256"),
        ("[backplane]\nkind = \"memry\"", "memry", "memory"),
    ] {
        refused(typo, &[wrong, right, "sluicegate.toml"]).await;
    }
    let chain = with_plugin("plugins/transform.wasm", "on_falt = \"deny\"");
    refused(&chain, &["on_falt", "on_fault"]).await;
    let chain = with_plugin("plugins/transform.wasm", "hooks = [\"publsh\"]");
    refused(&chain, &["publsh", "publish"]).await;
}

#[tokio::test]
async fn broken_toml_is_told_with_its_line() {
    refused("[server]\nlisten = \"127.0.0.1:0\"\nnode = \n", &["sluicegate.toml:3"]).await;
}

#[tokio::test]
async fn a_missing_file_is_told() {
    let home = Home::new();
    let (code, said) = check(&home).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("sluicegate.toml"), "{said}");
}

#[tokio::test]
async fn wrong_values_are_told_with_key_and_reason() {
    for (config, words) in [
        ("[server]\nlisten = 8080", ["server.listen", "string"]),
        ("[server]\nlisten = \"nowhere\"", ["server.listen", "nowhere"]),
        ("[server]\ndefault_tenant = \"acme\"", ["default_tenant", "acme"]),
        ("[[tenants]]\nname = \"a b\"", ["name", "a b"]),
        (
            "[[tenants]]\nname = \"twice\"\n[[tenants]]\nname = \"twice\"",
            ["twice", "tenants[1]"],
        ),
        ("[[tenants]]\nanonymous = true", ["tenants[0]", "name"]),
        ("[[tenants]]\nname = \"a\"\ndefault = \"maybe\"", ["default", "maybe"]),
        (
            "[[tenants]]\nname = \"a\"\nlimits = { message_bytes = -1 }",
            ["message_bytes", "-1"],
        ),
        (
            "[[tenants]]\nname = \"a\"\nchain = [{ plugin = \"ghost\" }]",
            ["chain", "ghost"],
        ),
        (
            "[[tenants]]\nname = \"a\"\nchannels = [{ match = \"a:**:b\" }]",
            ["match", "**"],
        ),
    ] {
        refused(config, &words).await;
    }
}

#[tokio::test]
async fn every_problem_is_told_not_only_the_first() {
    let config = "[server]\nlisen = \"x\"\nshards = \"many\"\n[[tenants]]\nname = \"a\"\nanonymus = true\n";
    refused(config, &["lisen", "shards", "anonymus"]).await;
}

#[tokio::test]
async fn a_plugin_file_that_is_not_there_is_told() {
    let config = complete(&with_plugin("plugins/no_such.wasm", ""));
    refused(&config, &["plugins.p", "no_such.wasm"]).await;
}

#[tokio::test]
async fn a_truncated_plugin_is_told() {
    let whole = plugin_bytes("transform");
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        refused_plugin(&whole[..length], "", &["plugins.p", "p.wasm"]).await;
    }
}

#[tokio::test]
async fn what_is_no_wasm_is_told() {
    refused_plugin("#!/bin/sh\necho hello\n", "", &["plugins.p", "p.wasm"]).await;
}

#[tokio::test]
async fn a_core_module_is_told_as_one() {
    let module = wat::parse_str("(module (func (export \"on-publish\")))").unwrap();
    refused_plugin(module, "", &["plugins.p", "core", "component"]).await;
}

#[tokio::test]
async fn a_component_without_any_hook_is_told() {
    let component = wat::parse_str("(component)").unwrap();
    refused_plugin(component, "", &["plugins.p", "hook"]).await;
}

#[tokio::test]
async fn a_component_without_lifecycle_is_told() {
    let config = complete(&with_plugin("guests/no-lifecycle.wasm", ""));
    refused(&config, &["plugins.p", "lifecycle"]).await;
}

#[tokio::test]
async fn a_hook_that_the_plugin_lacks_is_told() {
    let config = with_plugin("plugins/transform.wasm", "hooks = [\"publish\", \"subscribe\"]");
    refused(&complete(&config), &["tenants[0].chain[0]", "subscribe"]).await;
}

#[tokio::test]
async fn an_import_that_nobody_offers_is_told() {
    for (guest, import) in [
        ("imports-sockets", "wasi:sockets"),
        ("imports-unknown", "example:database/query"),
        ("imports-wrong-type", "sluicegate:plugin/effects"),
    ] {
        let config = complete(&with_plugin(&format!("guests/{guest}.wasm"), ""));
        refused(&config, &[import, "plugins.p"]).await;
    }
}

#[tokio::test]
async fn a_capability_that_is_not_granted_is_told() {
    for (grants, missing) in [("[]", "grant"), ("[\"limiter\"]", "kv"), ("[\"kv\"]", "limiter")] {
        let config = with_plugin("plugins/abuse_filter.wasm", &format!("grants = {grants}"));
        refused(&complete(&config), &["tenants[0].chain[0]", missing, "grant"]).await;
    }
}

#[tokio::test]
async fn other_bytes_than_the_sha256_says_are_told() {
    let zeros = "0".repeat(64);
    let config = with_plugin("plugins/transform.wasm", "")
        .replace("transform.wasm\"", &format!("transform.wasm\", sha256 = \"{zeros}\""));
    refused(&complete(&config), &["plugins.p", "sha256"]).await;
}

#[tokio::test]
async fn bad_plugin_settings_are_told_with_their_key() {
    for (plugin, chain, word) in [
        ("transform", "config = { rulez = [] }", "rulez"),
        (
            "transform",
            "config = { rules = [{ channels = \"**\", mask = [\"card\"] }] }",
            "card",
        ),
        (
            "transform",
            "config = { rules = [{ channels = \"**\", schema = { type = \"no-type\" } }] }",
            "schema",
        ),
        ("authorize", "config = { keys = [{ alg = \"HS256\" }] }", "secret"),
        ("authorize", "config = { keys = [{ alg = \"none\" }] }", "alg"),
        (
            "authorize",
            "config = { keys = [{ alg = \"RS256\", public_pem = \"no pem\" }] }",
            "public_pem",
        ),
        (
            "abuse_filter",
            "grants = [\"kv\", \"limiter\"]\nconfig = { action = \"explode\" }",
            "config.action",
        ),
    ] {
        let config = with_plugin(&format!("plugins/{plugin}.wasm"), chain);
        refused(&complete(&config), &["tenants[0].chain[0]", word]).await;
    }
}

#[tokio::test]
async fn a_plugin_that_cannot_start_is_told() {
    for (guest, cause) in [("init-err", "init"), ("init-trap", "init"), ("init-loop", "init")] {
        let config = complete(&with_plugin(&format!("guests/{guest}.wasm"), ""));
        refused(&config, &["tenants[0].chain[0]", cause]).await;
    }
}

#[tokio::test]
async fn plugins_of_all_tenants_are_checked() {
    let two = r#"
        plugins = { good = { file = "plugins/transform.wasm" }, bad = { file = "plugins/none.wasm" } }
        tenants = [
            { name = "a", chain = [{ plugin = "good", deadline_ms = 500, config = { rulez = [] } }] },
            { name = "b", chain = [{ plugin = "bad" }] },
        ]
    "#;
    refused(&complete(two), &["rulez", "none.wasm"]).await;
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let home = Home::new();
    home.write(&complete(&format!(
        "server = {{ listen = \"{address}\" }}\ntenants = [{{ name = \"t\" }}]"
    )));
    let process = serve(&home, "info").await;
    assert_eq!(process.exit_code().await, Some(1));
    assert!(process.stderr.text().contains(&address), "{}", process.stderr.text());
}
