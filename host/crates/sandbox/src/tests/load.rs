//! Plugins that cannot be used: the error says what was found, what is offered and what to do.

use super::*;
use chain::{HookKind, Hooks};

fn refused(result: Result<impl Sized, LoadError>, words: &[&str]) -> LoadError {
    let Err(error) = result else {
        panic!("it is refused for {words:?}");
    };
    let said = error.to_string();
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    error
}

/// A well-behaved guest, changed.
fn changed(from: &str, to: &str) -> String {
    let text = text("publish-allow");
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

#[test]
fn bytes_that_are_no_component_are_told_apart() {
    let stage = Stage::new();
    let load = |bytes: &[u8]| stage.sandbox.load("p", bytes);
    refused(load(b"#!/bin/sh"), &["not WebAssembly", "#!/bin/s"]);
    refused(load(b""), &["not WebAssembly"]);
    refused(load(b"(module)"), &["core WebAssembly module", "wasm32-wasip2"]);
    refused(load(b"(component"), &["not valid"]);
    let whole = wat::parse_str(text("publish-allow")).unwrap();
    for length in [9, 20, whole.len() / 2, whole.len() - 1] {
        refused(load(&whole[..length]), &["cut off"]);
    }
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 16].fill(0xff);
    assert!(load(&damaged).is_err());
}

#[test]
fn what_it_exports_must_be_a_plugin() {
    let stage = Stage::new();
    let load = |text: &str| stage.sandbox.load("p", text.as_bytes());
    refused(
        load("(component)"),
        &[
            "exports no hook",
            "sluicegate:plugin/publish-hook",
            "It exports: nothing",
        ],
    );
    let other = changed("publish-hook@0.1.0", "publish-hook@0.2.0");
    refused(
        load(&other),
        &["another contract", "sluicegate:plugin/publish-hook@0.2.0", "0.1.0"],
    );
    let other = changed(
        "(import \"sluicegate:plugin/types@0.1.0\"",
        "(import \"sluicegate:plugin/types@0.3.0\"",
    );
    refused(load(&other), &["another contract", "imports", "types@0.3.0"]);
    let without = changed(
        "(export \"sluicegate:plugin/lifecycle@0.1.0\" (instance $lifecycle))",
        "",
    );
    refused(load(&without), &["lifecycle", "`init`"]);
    let misnamed = changed(
        "(export \"on-publish\" (func $on-publish))",
        "(export \"on-message\" (func $on-publish))",
    );
    refused(load(&misnamed), &["another type", "on-publish"]);
}

#[test]
fn a_function_of_another_type_is_told() {
    let stage = Stage::new();
    let text = changed("(param \"data\" (list u8)) (result", "(param \"data\" string) (result");
    let plugin = stage.sandbox.load("p", text.as_bytes()).unwrap();
    let binding = stage.bind_plugin(&plugin, options()).unwrap();
    refused(stage.sandbox.try_out(&binding), &["another type"]);
}

#[test]
fn imports_that_nobody_offers_are_told_by_name() {
    let stage = Stage::new();
    refused(
        stage.load("imports-sockets"),
        &[
            "wasi:sockets/instance-network@0.2.0",
            "sluicegate:plugin/kv@0.1.0",
            "wasi:clocks/monotonic-clock",
        ],
    );
}

#[test]
fn capabilities_must_be_granted() {
    let stage = Stage::new();
    let mut options = options();
    options.grants = Grants::default();
    refused(
        stage.bind("counts", options.clone()),
        &["imports kv", "not granted", "\"kv\"", "`grants`"],
    );
    options.grants.kv = true;
    refused(stage.bind("counts", options.clone()), &["limiter"]);
    options.grants.limiter = true;
    refused(stage.bind("counts", options.clone()), &["metrics"]);
    options.grants.metrics = true;
    stage.bind("counts", options).unwrap();
}

#[test]
fn a_hook_that_the_config_names_must_be_there() {
    let stage = Stage::new();
    let mut options = options();
    options.hooks = Some([HookKind::Connect].into_iter().collect::<Hooks>());
    refused(
        stage.bind("publish-allow", options),
        &["connect hook", "It exports: publish"],
    );
}

#[test]
fn an_init_that_goes_wrong_is_told() {
    let stage = Stage::new();
    refused(stage.try_out("init-err", options()), &["init refused the settings"]);
    refused(stage.try_out("init-trap", options()), &["init trapped", "unreachable"]);
    refused(stage.try_out("init-loop", options()), &["init ran past 2s"]);
    refused(
        stage.try_out("start-loop", options()),
        &["does not start", "ran past 2s"],
    );
    refused(
        stage.try_out("memory-at-start", options()),
        &["does not start", "16777216 bytes of memory"],
    );
}

#[test]
fn settings_are_held_against_the_schema_without_being_shown() {
    let stage = Stage::new();
    let schema = r#"{
        "type": "object",
        "properties": {"keys": {"type": "array", "items": {"type": "object", "required": ["alg"],
            "properties": {"secret": {"type": "string"}}}}},
        "additionalProperties": false
    }"#;
    let section = format!(
        "(component\n  (@custom \"sluicegate:settings-schema\" \"{}\")",
        schema.replace('"', "\\\"").replace('\n', " ")
    );
    let text = text("publish-allow").replacen("(component", &section, 1);
    let plugin = stage.sandbox.load("p", text.as_bytes()).unwrap();
    assert!(plugin.settings_schema().is_some());
    let bind = |settings: serde_json::Value| {
        let options = BindingOptions { settings, ..options() };
        stage.bind_plugin(&plugin, options)
    };
    bind(json!({"keys": [{"alg": "HS256", "secret": "hunter2"}]})).unwrap();
    bind(json!(null)).unwrap();
    let error = refused(
        bind(json!({"keys": [{"secret": 7}]})),
        &["config.keys[0]", "alg", "config.keys[0].secret"],
    );
    assert!(!error.to_string().contains('7'), "{error}");
    refused(bind(json!({"kays": 1})), &["kays"]);
}

#[test]
fn files_are_read_and_their_digest_is_checked() {
    let stage = Stage::new();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("p.wasm");
    refused(stage.sandbox.load_file("p", &path, None), &["cannot read", "p.wasm"]);
    fs::write(&path, wat::parse_str(text("publish-allow")).unwrap()).unwrap();
    stage.sandbox.load_file("p", &path, None).unwrap();
    let error = refused(
        stage.sandbox.load_file("p", &path, Some([0; 32])),
        &["SHA-256", "sha256"],
    );
    let LoadError::WrongDigest { found, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(found.len(), 64);
}
