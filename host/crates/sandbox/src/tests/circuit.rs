//! The circuit breaker: shared by a binding's slots, one for each hook.

use std::time::Duration;

use chain::{Chain, ChainStep, Defaults, FaultRules, HookKind};
use protocol::names::Channel;

use super::*;

/// Faults that open a circuit.
const FAULTS: usize = 5;

fn open(fault: &Fault) -> bool {
    matches!(fault, Fault::Unavailable(why) if why.contains("circuit"))
}

/// Five faults, each on a slot of its own, so that none waits for another's instance.
fn trip(binding: &Arc<Binding>) {
    for _ in 0..FAULTS {
        let fault = publish(&mut binding.slot(), "0").expect_err("a trap");
        assert!(matches!(fault, Fault::Trap(_)), "{fault}");
    }
}

#[test]
fn repeated_faults_open_it_for_all_slots_and_a_good_trial_closes_it() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    let mut slot = binding.slot();
    publish(&mut slot, "1").unwrap();
    trip(&binding);
    assert!(open(&publish(&mut slot, "1").expect_err("open")));
    stage.clock.advance(Duration::from_millis(999));
    assert!(open(&publish(&mut slot, "1").expect_err("still open")));
    stage.clock.advance(Duration::from_millis(1));
    publish(&mut slot, "1").unwrap();
    publish(&mut binding.slot(), "1").unwrap();
}

#[test]
fn a_bad_trial_opens_it_for_longer() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    let mut slot = binding.slot();
    publish(&mut slot, "1").unwrap();
    trip(&binding);
    stage.clock.advance(Duration::from_secs(1));
    assert!(matches!(publish(&mut binding.slot(), "0"), Err(Fault::Trap(_))));
    stage.clock.advance(Duration::from_millis(1_999));
    assert!(open(&publish(&mut slot, "1").expect_err("open")));
    stage.clock.advance(Duration::from_millis(1));
    publish(&mut slot, "1").unwrap();
}

#[test]
fn another_hook_and_another_tenant_have_circuits_of_their_own() {
    let stage = Stage::new();
    let plugin = stage.load("trap-on-zero").unwrap();
    let bind = |tenant: &str| {
        let mut options = options();
        options.tenant = tenant.into();
        plugin.bind(options, &stage.stores, &stage.meter).unwrap()
    };
    let (ours, theirs) = (bind("acme"), bind("globex"));
    trip(&ours);
    assert!(publish(&mut ours.slot(), "1").is_err());
    assert!(publish(&mut theirs.slot(), "1").is_ok());
}

#[test]
fn an_open_circuit_is_counted_as_unavailable() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    trip(&binding);
    assert!(publish(&mut binding.slot(), "1").is_err());
    let labels = ["acme", "publish", "unavailable"];
    assert_eq!(stage.counted("sluicegate_plugin_faults_total", &labels), 1);
}

/// A chain of this one slot, which judges what the plugin replaces.
fn chain_of(slot: Slot) -> Chain {
    let step = ChainStep {
        plugin: "plugin".into(),
        hooks: [HookKind::Publish].into_iter().collect(),
        on_fault: FaultRules::default(),
        hook: Box::new(slot),
    };
    let defaults = Defaults {
        anonymous: true,
        allow: true,
        message_bytes: 1024,
    };
    Chain::new(vec![step], defaults)
}

#[test]
fn a_trial_whose_data_is_no_json_is_a_bad_trial() {
    let stage = Stage::new();
    let binding = stage.bound("bad-json");
    let room = Channel::parse("room:1").unwrap();
    let faults = || stage.counted("sluicegate_plugin_faults_total", &["acme", "publish", "bad_output"]);
    // Each on a slot of its own, so that none waits for another's instance.
    let publish = || chain_of(binding.slot()).publish(&caller(), &room, "1".into(), false);
    for _ in 0..FAULTS {
        assert!(publish().is_err());
    }
    let mut known = faults();
    for wait in [1, 2, 4, 8, 16, 30, 30] {
        stage
            .clock
            .advance(Duration::from_secs(wait).checked_sub(Duration::from_millis(1)).unwrap());
        assert!(publish().is_err());
        assert_eq!(faults(), known, "not asked before {wait} s are over");
        stage.clock.advance(Duration::from_millis(1));
        assert!(publish().is_err());
        known += 1;
        assert_eq!(faults(), known, "asked once after {wait} s");
    }
}
