//! What it takes to verify a token: the signature alone, as plugins ask the broker for it, and the whole connect hook of
//! `authorize`, by algorithm. Prints one line of JSON, in nanoseconds. Needs the built plugins (`cargo xtask build`).

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chain::{Caller, ConnectVerdict, Handshake, Hook, HookKind, Upgrade};
use plugin_store::{Clock, PluginStores};
use sandbox::{BindingOptions, Grants, Meter, Plugin, Sandbox, SandboxOptions};
use serde_json::{Map, Value, json};
use sluicegate::observe::Metrics;
use sluicegate_contract::key_algorithm::KeyAlgorithm;
use sluicegate_crypto::Key;

/// A key and a token of each algorithm.
const TOKENS: &str = include_str!("../../bench/tokens.json");

const CALLS: u32 = 2_000;
const ROUNDS: u32 = 15;

/// Nanoseconds of a call in the best of all rounds: noise only ever adds.
fn best(mut call: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        begin.elapsed().as_nanos() as f64 / f64::from(CALLS)
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// The signature alone.
fn verification(alg: &str, key: &Value, token: &str) -> f64 {
    let algorithm = KeyAlgorithm::named(alg).expect("a known algorithm");
    let key = match (key["secret"].as_str(), key["public_pem"].as_str()) {
        (Some(secret), None) => Key::from_bytes(secret.as_bytes(), algorithm),
        (None, Some(pem)) => Key::from_pem(pem, algorithm),
        _ => panic!("{alg} has a secret or a public key"),
    };
    let key = key.expect("a good key");
    let (message, signature) = token.rsplit_once('.').expect("a signed token");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    best(|| assert!(black_box(&key).verify(message.as_bytes(), &signature)))
}

/// The connect hook.
fn hook(sandbox: &Sandbox, plugin: &Arc<Plugin>, key: &Value, token: &str) -> f64 {
    let options = BindingOptions {
        tenant: "bench".into(),
        hooks: None,
        deadline: Duration::from_millis(50),
        memory_bytes: 16 * 1024 * 1024,
        grants: Grants::default(),
        eager: true,
        settings: json!({ "keys": [key] }),
        first_use: Arc::default(),
    };
    let meter = Meter::new(&Metrics::new().registry).expect("a fresh registry");
    let stores = PluginStores::in_memory(Clock::System);
    let binding = sandbox.bind(plugin, options, &stores, &meter).expect("it fits");
    let mut slot = sandbox.slot(&binding);
    while slot.pending(HookKind::Connect).is_some() {
        thread::yield_now();
    }
    let caller = Arc::new(Caller::new(
        "s1".into(),
        "bench".into(),
        [127, 0, 0, 1].into(),
        "websocket",
    ));
    let handshake = Arc::new(Handshake {
        token: Some(token.to_owned()),
        client_name: None,
        data: None,
        is_refresh: false,
        upgrade: Arc::new(Upgrade::default()),
    });
    best(|| {
        let answer = slot.connect(&handshake, &caller).expect("the plugin answers");
        assert!(matches!(answer.verdict, ConnectVerdict::Accept(_)), "the token is good");
    })
}

fn main() {
    let folder = std::env::var_os("SLUICEGATE_PLUGINS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins"),
        PathBuf::from,
    );
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("the engine starts");
    let plugin = sandbox
        .load_file("authorize", &folder.join("authorize.wasm"), None)
        .expect("the plugin loads");
    let tokens: Vec<Value> = serde_json::from_str(TOKENS).expect("JSON");
    let (mut verify_ns, mut hook_ns) = (Map::new(), Map::new());
    for each in &tokens {
        let text = |member: &str| each[member].as_str().expect("text");
        let (alg, token) = (text("alg"), text("token"));
        verify_ns.insert(alg.to_owned(), verification(alg, &each["key"], token).into());
        hook_ns.insert(alg.to_owned(), hook(&sandbox, &plugin, &each["key"], token).into());
    }
    println!("{}", json!({ "verify_ns": verify_ns, "hook_ns": hook_ns }));
}
