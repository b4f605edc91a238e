//! After a fault the instance is made anew, elsewhere.

use super::*;

#[test]
fn until_it_is_made_anew_the_plugin_is_unavailable() {
    let stage = Stage::new();
    let mut slot = stage.slot("trap-on-zero");
    assert!(matches!(publish(&mut slot, "0"), Err(Fault::Trap(_))));
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
    let begin = Instant::now();
    while stage.counted("sluicegate_plugin_instances", &["acme"]) > 0 {
        assert!(
            begin.elapsed() < PATIENCE,
            "nobody waits for the new one, so it goes too"
        );
        std::thread::yield_now();
    }
}

#[test]
fn instances_have_a_limit() {
    let stage = Stage::new();
    let binding = stage.bound("publish-allow");
    let mut slots: Vec<Slot> = (0..17).map(|_| binding.slot()).collect();
    let answers: Vec<_> = slots.iter_mut().map(|slot| publish(slot, "1")).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 16);
    let fault = answers.into_iter().find_map(Result::err).expect("the seventeenth");
    assert!(fault.to_string().contains("no room for another instance"), "{fault}");
}

#[test]
fn the_engine_ends_with_its_last_slot_and_its_ticker_with_it() {
    let stage = Stage::new();
    let engine = stage.sandbox.engine.weak();
    let mut slot = stage.slot("trap-on-zero");
    assert!(publish(&mut slot, "0").is_err());
    drop(stage);
    publish_when_ready(&mut slot, "1").unwrap();
    assert!(engine.upgrade().is_some());
    drop(slot);
    let begin = Instant::now();
    // The ticker holds the engine for a moment in each tick, the rebuilding thread while it builds.
    while engine.upgrade().is_some() {
        assert!(begin.elapsed() < PATIENCE, "somebody holds on to it");
        std::thread::yield_now();
    }
}
