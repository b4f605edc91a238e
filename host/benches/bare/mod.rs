//! The yardstick: a hook called with wasmtime alone, on an engine with the sandbox's settings. No deadline is
//! renewed, no limit is kept, no verdict is checked and nothing is counted.

use std::time::{Duration, Instant};

use wasmtime::component::{Component, ComponentType, Lift, Linker, Resource, ResourceType, TypedFunc};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

/// The broker's: what is measured allocates as it does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A guest that allows every publish.
pub(crate) const GUEST: &str = include_str!("../../../tests/guests/publish-allow.wat");
/// The channel that the benchmarks publish to.
pub(crate) const CHANNEL: &str = "room:lobby";

/// More ticks than any run has.
const NEVER: u64 = 1 << 40;

struct Session;
struct Handshake;

/// What `on-publish` gives, as the contract has it.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(variant)]
#[allow(
    dead_code,
    reason = "only `allow` is ever given, but the type has to be the contract's"
)]
enum Verdict {
    #[component(name = "abstain")]
    Abstain,
    #[component(name = "allow")]
    Allow,
    #[component(name = "replace")]
    Replace(Vec<u8>),
    #[component(name = "discard")]
    Discard,
    #[component(name = "deny")]
    Deny(Denial),
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
#[allow(dead_code, reason = "see `Verdict`")]
struct Denial {
    code: u16,
    reason: String,
    message: Option<String>,
    #[component(name = "retry-after-ms")]
    retry_after_ms: Option<u64>,
    penalty: Penalty,
}

#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(variant)]
#[allow(dead_code, reason = "see `Verdict`")]
enum Penalty {
    #[component(name = "none")]
    None,
    #[component(name = "disconnect")]
    Disconnect,
    #[component(name = "ban")]
    Ban(u32),
}

type OnPublish = TypedFunc<(Resource<Session>, &'static str, &'static [u8]), (Verdict,)>;

/// An instance of [`GUEST`].
pub(crate) struct Bare {
    store: Store<()>,
    on_publish: OnPublish,
}

impl Bare {
    /// Compiles and instantiates the guest.
    pub(crate) fn new() -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .concurrency_support(false)
            .epoch_interruption(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::new()));
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, GUEST)?;
        let mut linker: Linker<()> = Linker::new(&engine);
        let mut types = linker.instance("sluicegate:plugin/types@0.1.0")?;
        types.resource("session", ResourceType::host::<Session>(), |_, _| Ok(()))?;
        types.resource("handshake", ResourceType::host::<Handshake>(), |_, _| Ok(()))?;
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(NEVER);
        let instance = linker.instantiate(&mut store, &component)?;
        let (_, hook) = instance
            .get_export(&mut store, None, "sluicegate:plugin/publish-hook@0.1.0")
            .expect("the guest has the hook");
        let (_, function) = instance
            .get_export(&mut store, Some(&hook), "on-publish")
            .expect("the hook's function");
        let on_publish = instance.get_typed_func(&mut store, function)?;
        Ok(Self { store, on_publish })
    }

    /// Asks the guest about `data` in [`CHANNEL`].
    pub(crate) fn call(&mut self, data: &'static [u8]) {
        let session = Resource::new_borrow(0);
        let (verdict,) = self
            .on_publish
            .call(&mut self.store, (session, CHANNEL, data))
            .expect("the guest answers");
        assert!(matches!(verdict, Verdict::Allow), "{verdict:?}");
    }
}

/// JSON of 200 bytes.
pub(crate) fn payload() -> &'static [u8] {
    const FRAME: &str = r#"{"text":""}"#;
    let text: String = "a message as people write them, "
        .chars()
        .cycle()
        .take(200 - FRAME.len())
        .collect();
    format!(r#"{{"text":"{text}"}}"#).into_bytes().leak()
}

/// What one call of each takes at best, in nanoseconds. Alternates between them, so that both meet the same
/// weather, and takes each one's best round: noise only ever adds.
pub(crate) fn race<const N: usize>(calls: u32, rounds: u32, mut runners: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut best = [Duration::MAX; N];
    // The first round does not count: it warms caches and branch predictors.
    for round in 0..=rounds {
        for (runner, best) in runners.iter_mut().zip(&mut best) {
            let begin = Instant::now();
            for _ in 0..calls {
                runner();
            }
            if round > 0 {
                *best = begin.elapsed().min(*best);
            }
        }
    }
    best.map(|time| time.as_secs_f64() * 1e9 / f64::from(calls))
}
