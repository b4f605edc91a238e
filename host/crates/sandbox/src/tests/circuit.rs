//! The circuit breaker: shared by a binding's slots, one for each hook.

use std::time::Duration;

use chain::{Asked, Chain, ChainStep, Defaults, FaultRules, PublishQuestion};
use protocol::names::Channel;

use super::*;

/// Clients whose faults open a circuit, if nobody gets an answer.
const CLIENTS: u8 = 5;
/// How long it has to be so.
const LEAST: Duration = Duration::from_millis(500);
/// A client that is no part of it.
const OTHER: u8 = 99;

fn is_open(fault: &Fault) -> bool {
    matches!(fault, Fault::Unavailable(why) if why.contains("circuit"))
}

/// Faults of several clients, each on a slot of its own, so that none waits for its instance's delay.
fn trip(stage: &Stage, binding: &Arc<Binding>) {
    let fault_of = |number| {
        let fault = publish_of(&client(number), &mut stage.slot_of(binding), "0").expect_err("a trap");
        assert!(matches!(fault, Fault::Trap(_)), "{fault}");
    };
    (1..CLIENTS).for_each(fault_of);
    stage.clock.advance(LEAST);
    fault_of(CLIENTS);
}

fn ask(slot: &mut Slot, data: &str) -> Result<HookResponse<PublishVerdict>, Fault> {
    publish_of(&client(OTHER), slot, data)
}

#[test]
fn faults_of_all_who_ask_open_it_for_all_slots_and_a_good_trial_closes_it() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    let mut slot = stage.slot_of(&binding);
    ask(&mut slot, "1").unwrap();
    trip(&stage, &binding);
    assert!(is_open(&ask(&mut slot, "1").expect_err("open")));
    stage.clock.advance(Duration::from_millis(999));
    assert!(is_open(&ask(&mut slot, "1").expect_err("still open")));
    stage.clock.advance(Duration::from_millis(1));
    ask(&mut slot, "1").unwrap();
    ask(&mut stage.slot_of(&binding), "1").unwrap();
}

#[test]
fn a_bad_trial_opens_it_for_longer() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    let mut slot = stage.slot_of(&binding);
    ask(&mut slot, "1").unwrap();
    trip(&stage, &binding);
    stage.clock.advance(Duration::from_secs(1));
    let bad = publish_of(&client(1), &mut stage.slot_of(&binding), "0");
    assert!(matches!(bad, Err(Fault::Trap(_))));
    stage.clock.advance(Duration::from_millis(1_999));
    assert!(is_open(&ask(&mut slot, "1").expect_err("open")));
    stage.clock.advance(Duration::from_millis(1));
    ask(&mut slot, "1").unwrap();
}

#[test]
fn another_hook_and_another_tenant_have_circuits_of_their_own() {
    let stage = Stage::new();
    let plugin = stage.load("trap-on-zero").unwrap();
    let bind = |tenant: &str| {
        let mut options = options();
        options.tenant = tenant.into();
        stage.bind_plugin(&plugin, options).unwrap()
    };
    let (ours, theirs) = (bind("acme"), bind("globex"));
    trip(&stage, &ours);
    assert!(ask(&mut stage.slot_of(&ours), "1").is_err());
    assert!(ask(&mut stage.slot_of(&theirs), "1").is_ok());
}

#[test]
fn an_open_circuit_is_counted_as_unavailable() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    trip(&stage, &binding);
    assert!(ask(&mut stage.slot_of(&binding), "1").is_err());
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
fn one_client_or_some_among_many_do_not_open_it() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    let mut good = stage.slot_of(&binding);
    for round in 0..40 {
        // Sessions of one client, then also clients of addresses of their own: fewer than answers to others.
        let bad = client(if round < 20 { 1 } else { round });
        drop(publish_of(&bad, &mut stage.slot_of(&binding), "0"));
        for _ in 0..2 {
            ask(&mut good, "1").unwrap_or_else(|fault| panic!("round {round}: {fault}"));
        }
        stage.clock.advance(Duration::from_millis(100));
    }
}

#[test]
fn a_trial_whose_data_is_no_json_is_a_bad_trial() {
    let stage = Stage::new();
    let binding = stage.bound("bad-json");
    let room = Channel::parse("room:1").unwrap();
    let faults = || stage.counted("sluicegate_plugin_faults_total", &["acme", "publish", "bad_output"]);
    // Each on a slot of its own, so that none waits for its instance's delay.
    let publish = |number| {
        let mut slot = stage.slot_of(&binding);
        wait_for_instance(&mut slot);
        let question = PublishQuestion::new(room.clone(), Content::Json, "1".into(), false);
        match chain_of(slot).ask(question, &client(number), &mut || false) {
            Asked::Answered(answer) => answer,
            Asked::Paused(_) => panic!("nobody asked for a pause"),
        }
    };
    for number in 1..=CLIENTS {
        assert!(publish(number).is_err());
    }
    stage.clock.advance(LEAST);
    assert!(publish(1).is_err());
    let mut known = faults();
    for (number, wait) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
        let other = u8::try_from(number).unwrap() + CLIENTS;
        stage
            .clock
            .advance(Duration::from_secs(wait).checked_sub(Duration::from_millis(1)).unwrap());
        assert!(publish(other).is_err());
        assert_eq!(faults(), known, "not asked before {wait} s are over");
        stage.clock.advance(Duration::from_millis(1));
        assert!(publish(other).is_err());
        known += 1;
        assert_eq!(faults(), known, "asked once after {wait} s");
    }
}
