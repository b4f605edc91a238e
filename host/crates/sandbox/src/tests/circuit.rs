//! The circuit breaker: shared by a binding's slots, one for each hook.

use std::time::Duration;

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
