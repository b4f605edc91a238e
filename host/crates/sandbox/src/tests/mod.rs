//! The sandbox with the guests of `tests/guests/`, each of which says on top what must happen.

mod builders;
mod cache;
mod calls;
mod circuit;
mod compile;
mod crypto;
mod faults;
mod features;
mod host_work;
mod load;
mod message;
mod reach;
mod rebuilding;
mod room;
mod suspended;

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use prometheus::Registry;
use serde_json::json;

use super::*;
use chain::{Caller, Fault, Handshake, Hook, HookKind, HookResponse, PendingCall, PublishVerdict};
use plugin_store::{Clock, PluginStores};
use protocol::Content;

/// Longest wait for what another thread does.
const PATIENCE: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;

/// Everything a broker would have.
struct Stage {
    sandbox: Arc<Sandbox>,
    stores: Arc<PluginStores>,
    meter: Arc<Meter>,
    registry: Registry,
    clock: Clock,
}

impl Stage {
    fn new() -> Self {
        Self::with_cache(None)
    }

    fn with_cache(cache_dir: Option<PathBuf>) -> Self {
        Self::with_options(SandboxOptions {
            cache_dir,
            instances: Some(16),
            ..SandboxOptions::default()
        })
    }

    /// With `options`, but for the clock.
    fn with_options(options: SandboxOptions) -> Self {
        let clock = Clock::held();
        let registry = Registry::new();
        let options = SandboxOptions {
            compiler: CompilerOptions::InPlace,
            clock: clock.clone(),
            ..options
        };
        Self {
            sandbox: Sandbox::new(options).unwrap(),
            stores: PluginStores::in_memory(clock.clone()),
            meter: Meter::new(&registry).unwrap(),
            registry,
            clock,
        }
    }

    fn load(&self, guest: &str) -> Result<Arc<Plugin>, LoadError> {
        self.sandbox.load(guest, text(guest).as_bytes())
    }

    fn bind(&self, guest: &str, options: BindingOptions) -> Result<Arc<Binding>, LoadError> {
        self.bind_plugin(&self.load(guest)?, options)
    }

    fn bind_plugin(&self, plugin: &Arc<Plugin>, options: BindingOptions) -> Result<Arc<Binding>, LoadError> {
        self.sandbox.bind(plugin, options, &self.stores, &self.meter)
    }

    /// Binds a guest as a start of the broker does: with a trial.
    fn try_out(&self, guest: &str, options: BindingOptions) -> Result<Arc<Binding>, LoadError> {
        let binding = self.bind(guest, options)?;
        self.sandbox.try_out(&binding)?;
        Ok(binding)
    }

    fn slot_of(&self, binding: &Arc<Binding>) -> Slot {
        self.sandbox.slot(binding)
    }

    /// The guest in the tenant `acme`, with the usual limits and every grant.
    fn bound(&self, guest: &str) -> Arc<Binding> {
        self.bind(guest, options())
            .unwrap_or_else(|error| panic!("{guest}: {error}"))
    }

    /// A slot with its instance, if it can be made.
    fn slot(&self, guest: &str) -> Slot {
        self.ready_slot_of(&self.bound(guest))
    }

    fn ready_slot_of(&self, binding: &Arc<Binding>) -> Slot {
        let mut slot = self.slot_of(binding);
        wait_for_instance(&mut slot);
        slot
    }

    /// The value of counters and gauges that have all of `labels`.
    fn counted(&self, name: &str, labels: &[&str]) -> u64 {
        let mut sum = 0.0;
        for family in self.registry.gather().iter().filter(|family| family.name() == name) {
            for metric in family.get_metric() {
                let has = |label: &&str| metric.get_label().iter().any(|pair| pair.value() == *label);
                if labels.iter().all(has) {
                    sum += metric.get_counter().get_value() + metric.get_gauge().get_value();
                }
            }
        }
        format!("{sum}").parse().expect("a whole number")
    }
}

fn options() -> BindingOptions {
    BindingOptions {
        tenant: "acme".into(),
        hooks: None,
        // Long, so that a busy machine does not end a call that would have been well.
        deadline: Duration::from_millis(200),
        memory_bytes: 16 * MIB,
        grants: Grants {
            kv: true,
            limiter: true,
            metrics: true,
        },
        eager: false,
        settings: json!({}),
        first_use: Arc::default(),
    }
}

/// The text of a guest.
fn text(guest: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../../tests/guests/{guest}.wat"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn caller() -> Arc<Caller> {
    client(1)
}

/// A session with an address of its own.
fn client(number: u8) -> Arc<Caller> {
    let (session, address) = (format!("s{number}"), Ipv4Addr::new(127, 0, 0, number));
    Arc::new(Caller::new(session.into(), "acme".into(), address.into(), "websocket"))
}

/// Waits for what another thread does.
fn until(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE);
        thread::yield_now();
    }
}

/// Waits for the slot's instance, as a session does.
fn wait_for_instance(slot: &mut Slot) {
    let begin = Instant::now();
    while let Some(pending) = slot.pending(HookKind::Publish) {
        block_on(pending, begin + PATIENCE);
    }
}

fn block_on(mut pending: PendingCall, until: Instant) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    while pending.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        thread::park_timeout(until.saturating_duration_since(Instant::now()));
        assert!(
            Instant::now() < until,
            "nobody made the instance, or said that it will not be"
        );
    }
}

/// A call as it is without waiting.
fn publish_now(slot: &mut Slot, data: &str) -> Result<HookResponse<PublishVerdict>, Fault> {
    slot.publish(&caller(), "room:1", Content::Json, data.as_bytes())
}

fn publish(slot: &mut Slot, data: &str) -> Result<HookResponse<PublishVerdict>, Fault> {
    publish_of(&caller(), slot, data)
}

fn publish_of(caller: &Arc<Caller>, slot: &mut Slot, data: &str) -> Result<HookResponse<PublishVerdict>, Fault> {
    wait_for_instance(slot);
    slot.publish(caller, "room:1", Content::Json, data.as_bytes())
}

/// Calls until the answer is another one than that no instance may be made yet.
fn publish_when_ready(slot: &mut Slot, data: &str) -> Result<HookResponse<PublishVerdict>, Fault> {
    let begin = Instant::now();
    loop {
        match publish(slot, data) {
            Err(Fault::Unavailable(_)) if begin.elapsed() < PATIENCE => std::thread::yield_now(),
            answer => return answer,
        }
    }
}
