//! What the sandbox adds to a hook: `on-publish` with session, channel and 200 bytes, through a slot as the
//! chain asks it, beside the bare wasmtime call of the same component. Prints one line of JSON.

mod bare;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chain::{Caller, Hook, HookKind};
use plugin_store::{Clock, PluginStores};
use protocol::Content;
use sandbox::{BindingOptions, Grants, Meter, Sandbox, SandboxOptions, Slot};
use serde_json::{Value, json};
use sluicegate::observe::Metrics;

use bare::{Bare, CHANNEL, GUEST, payload, race};

const CALLS: u32 = 50_000;
const ROUNDS: u32 = 15;

fn slot() -> Slot {
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("the engine starts");
    let plugin = sandbox.load("allow", GUEST.as_bytes()).expect("the guest loads");
    let options = BindingOptions {
        tenant: "bench".into(),
        hooks: None,
        deadline: Duration::from_millis(5),
        memory_bytes: 16 * 1024 * 1024,
        grants: Grants::default(),
        eager: true,
        settings: Value::Null,
        first_use: Arc::default(),
    };
    let meter = Meter::new(&Metrics::new().registry).expect("a fresh registry");
    let stores = PluginStores::in_memory(Clock::System);
    let binding = sandbox.bind(&plugin, options, &stores, &meter).expect("the guest fits");
    sandbox.slot(&binding)
}

fn main() {
    let data = payload();
    let mut bare = Bare::new().expect("the guest starts");
    let mut slot = slot();
    let caller = Arc::new(Caller::new(
        "s1".into(),
        "bench".into(),
        [127, 0, 0, 1].into(),
        "websocket",
    ));
    while slot.pending(HookKind::Publish).is_some() {
        thread::yield_now();
    }
    let [bare_ns, sandbox_ns] = race(
        CALLS,
        ROUNDS,
        [&mut || bare.call(data), &mut || {
            assert!(slot.pending(HookKind::Publish).is_none(), "it is there");
            slot.publish(&caller, CHANNEL, Content::Json, data)
                .expect("the guest answers");
        }],
    );
    println!("{}", json!({ "bare_ns": bare_ns, "sandbox_ns": sandbox_ns }));
}
