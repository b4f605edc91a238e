//! What the demo's three plugins add to a publish: the chain as the broker makes it from the demo's config,
//! asked about 200 bytes, beside the bare wasmtime call of a component that only says yes; and what each plugin
//! costs alone. Prints one line of JSON. Needs the built plugins (`cargo xtask build`).

mod bare;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use chain::{Asked, Caller, Chain, Identity, PublishDecision, PublishQuestion};
use config::{self, Config, Tenant};
use protocol::Content;
use protocol::names::Channel;
use sandbox::CompilerOptions;
use serde_json::json;
use sluicegate::broker::Plugins;
use sluicegate::observe::Metrics;
use sluicegate::shard::NewRules;

use bare::{Bare, CHANNEL, payload, race};

const CALLS: u32 = 10_000;
const ROUNDS: u32 = 15;

/// The demo stops a person after eight messages; the benchmark is about those that pass.
const DEMO_RATE: &str = "per_user = { rate = 0.5, burst = 8 }";
const BENCH_RATE: &str = "per_user = { rate = 1e9, burst = 1000000000 }";

/// The demo's config, for messages without end.
fn demo() -> Config {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let path = root.join("xtask/demo/sluicegate.toml");
    let mut text = std::fs::read_to_string(&path).expect("the demo's config");
    assert!(text.contains(DEMO_RATE), "the demo's rate is written differently now");
    text = text.replace(DEMO_RATE, BENCH_RATE);
    if let Ok(plugins) = std::env::var("SLUICEGATE_PLUGINS") {
        text = text.replace("../../target/plugins", &plugins);
    }
    config::parse(&path, &text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The demo's chain, or one plugin of it alone.
fn chain(plugins: &Plugins, config: &Config, alone: Option<usize>) -> Chain {
    let mut config = config.clone();
    let mut tenant = Tenant::clone(&config.tenants[0]);
    if let Some(index) = alone {
        tenant.chain = vec![tenant.chain.swap_remove(index)];
    }
    config.tenants = vec![Arc::new(tenant)];
    let bound = plugins.bind(&config).unwrap_or_else(|problems| panic!("{problems}"));
    let tenant = bound.for_shard().into_iter().next().expect("the demo's tenant");
    match tenant.rules {
        NewRules::Chain { build, .. } => build(),
        _ => panic!("the demo's tenant is not quarantined"),
    }
}

fn main() {
    let data = payload();
    let config = demo();
    let plugins = Plugins::new(&config, &Metrics::new(), CompilerOptions::InPlace).expect("the engine starts");
    let mut bare = Bare::new().expect("the guest starts");
    let mut all = chain(&plugins, &config, None);
    let [mut first, mut second, mut third] = [0, 1, 2].map(|index| chain(&plugins, &config, Some(index)));
    let caller = Arc::new(Caller::new(
        "s1".into(),
        "demo".into(),
        [127, 0, 0, 1].into(),
        "websocket",
    ));
    caller.identify(Identity {
        user: Some("ann".into()),
        claims: r#"{"sub":"ann","exp":4102444800}"#.into(),
        ..Identity::default()
    });
    let channel = Channel::parse(CHANNEL).expect("a channel's name");
    let bytes = Bytes::from_static(data);
    let question = || PublishQuestion::new(channel.clone(), Content::Json, bytes.clone(), true);
    let is_ready = |chain: &mut Chain, question: &PublishQuestion| chain.pending(question, &caller).is_none();
    for chain in [&mut all, &mut first, &mut second, &mut third] {
        while !is_ready(chain, &question()) {
            thread::yield_now();
        }
    }
    let ask = |chain: &mut Chain| {
        let question = question();
        assert!(is_ready(chain, &question), "its instances are there");
        // Nobody else is there, so it never pauses.
        let asked = chain.ask(question, &caller, &mut || false);
        assert!(
            matches!(asked, Asked::Answered(Ok(PublishDecision::Pass(_)))),
            "{asked:?}"
        );
    };
    let runners: [&mut dyn FnMut(); 5] = [
        &mut || bare.call(data),
        &mut || ask(&mut all),
        &mut || ask(&mut first),
        &mut || ask(&mut second),
        &mut || ask(&mut third),
    ];
    let [bare_ns, chain_ns, alone_ns @ ..] = race(CALLS, ROUNDS, runners);
    println!(
        "{}",
        json!({ "bare_ns": bare_ns, "chain_ns": chain_ns, "alone_ns": alone_ns })
    );
}
