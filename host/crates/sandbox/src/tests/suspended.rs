//! Who causes faults pays for them first: its session is not served for a while, and others are.

use std::time::Duration;

use chain::HookKind;

use super::*;

/// A session that is refused, and for how long.
fn refused(answer: Result<HookResponse<PublishVerdict>, Fault>) -> Option<Duration> {
    match answer {
        Err(Fault::Suspended(left)) => Some(left),
        _ => None,
    }
}

#[test]
fn a_session_whose_calls_fault_is_not_served_and_others_are() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    let mut slot = stage.slot_of(&binding);
    for _ in 0..3 {
        assert!(matches!(publish_when_ready(&mut slot, "0"), Err(Fault::Trap(_))));
    }
    // Whatever it asks, and without costing an instance.
    for data in ["0", "1"] {
        assert_eq!(refused(publish(&mut slot, data)), Some(Duration::from_secs(1)));
    }
    let labels = ["acme", "publish", "suspended"];
    assert_eq!(stage.counted("sluicegate_plugin_faults_total", &labels), 2);
    let neighbour = Arc::new(Caller::new("other".into(), "acme".into(), caller().remote, "websocket"));
    let begin = Instant::now();
    // The instance is being made; nothing else is in the way.
    while let Err(fault) = publish_of(&neighbour, &mut slot, "1") {
        assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
        assert!(begin.elapsed() < PATIENCE, "{fault}");
    }
    stage.clock.advance(Duration::from_secs(1));
    publish(&mut slot, "1").unwrap();
}

#[test]
fn data_that_is_no_json_counts_as_a_fault_of_its_session() {
    let stage = Stage::new();
    let binding = stage.bound("bad-json");
    let mut slot = stage.slot_of(&binding);
    for _ in 0..3 {
        let answer = publish_when_ready(&mut slot, "1").unwrap();
        assert!(matches!(answer.verdict, PublishVerdict::Replace(_)));
        let fault = Fault::BadOutput("no JSON".into());
        slot.judged(HookKind::Publish, &caller(), Err(&fault));
    }
    assert_eq!(refused(publish(&mut slot, "1")), Some(Duration::from_secs(1)));
    let labels = ["acme", "publish", "replace"];
    assert_eq!(
        stage.counted("sluicegate_hook_verdicts_total", &labels),
        0,
        "a fault is no verdict"
    );
}

#[test]
fn faults_of_the_broker_are_nobodys() {
    let stage = Stage::with_options(SandboxOptions {
        instances: Some(0),
        ..SandboxOptions::default()
    });
    let binding = stage.bound("publish-allow");
    let mut slot = stage.slot_of(&binding);
    for _ in 0..10 {
        let fault = publish_now(&mut slot, "1").expect_err("no room");
        assert!(!matches!(fault, Fault::Suspended(_)), "{fault}");
    }
}
