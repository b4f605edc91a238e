//! After a fault the instance is made anew, elsewhere.

use super::*;

#[test]
fn calls_wait_for_the_rebuild_after_a_first_clients_fault_and_later_ones_are_refused_until_their_delay_is_over() {
    let stage = Stage::new();
    let mut slot = stage.slot("trap-on-zero");
    assert!(matches!(publish(&mut slot, "0"), Err(Fault::Trap(_))));
    let again = publish(&mut slot, "1").expect("the first fault is mended at once");
    assert_eq!(again.verdict, PublishVerdict::Allow);
    for number in 1..=2 {
        let fault = publish_of(&client(number), &mut slot, "0");
        assert!(matches!(fault, Err(Fault::Trap(_))));
    }
    assert!(matches!(publish(&mut slot, "1"), Err(Fault::Unavailable(why)) if why.contains("rebuilt")));
    let again = publish_when_ready(&mut slot, "1").unwrap();
    assert_eq!(again.verdict, PublishVerdict::Allow);
}

#[test]
fn it_is_made_anew_as_often_as_it_faults() {
    let stage = Stage::new();
    let mut slot = stage.slot("trap-on-zero");
    for _ in 0..4 {
        assert!(matches!(publish_when_ready(&mut slot, "0"), Err(Fault::Trap(_))));
        // Far enough apart that its session is not suspended.
        stage.clock.advance(Duration::from_secs(10));
    }
    publish_when_ready(&mut slot, "1").unwrap();
    assert_eq!(stage.counted("sluicegate_plugin_instances", &["acme"]), 1);
}

#[test]
fn what_is_left_of_a_faulted_instance_is_given_back() {
    let stage = Stage::new();
    let mut slot = stage.slot("trap-on-zero");
    assert!(publish(&mut slot, "0").is_err());
    drop(slot);
    // Nobody waits for the new one, so it goes too.
    until(|| stage.counted("sluicegate_plugin_instances", &["acme"]) == 0);
}

#[test]
fn the_engine_ends_with_its_last_slot_and_its_ticker_with_it() {
    let stage = Stage::new();
    let engine = stage.sandbox.engine.engine.weak();
    let mut slot = stage.slot("trap-on-zero");
    assert!(publish(&mut slot, "0").is_err());
    drop(stage);
    publish_when_ready(&mut slot, "1").unwrap();
    assert!(engine.upgrade().is_some());
    drop(slot);
    // The ticker holds the engine for a moment in each tick, a build while it runs.
    until(|| engine.upgrade().is_none());
}
