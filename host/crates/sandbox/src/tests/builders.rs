//! Instances are made off the serving thread, and whose `init` loops holds up nobody else.

use super::*;

/// How long the start and `init` of an instance may run.
const ALLOWANCE: Duration = Duration::from_secs(2);
/// Calls that wait for one instance at most.
const WAITING_CALLS: usize = 1_024;

fn options_of(tenant: &str) -> BindingOptions {
    BindingOptions {
        tenant: tenant.into(),
        ..options()
    }
}

/// A slot whose first instance is gone, and whose next one never ends its `init`.
fn looping(stage: &Stage, tenant: &str) -> Slot {
    let binding = stage.bind("init-loops-later", options_of(tenant)).unwrap();
    let mut slot = stage.slot_of(&binding);
    assert!(matches!(publish(&mut slot, "0"), Err(Fault::Trap(_))));
    assert!(is_pending(&mut slot), "the second init loops");
    slot
}

fn is_pending(slot: &mut Slot) -> bool {
    slot.pending(HookKind::Publish).is_some()
}

/// Waits until so many builds of the tenant wait and run.
fn until_builds(stage: &Stage, tenant: &str, wanted: (usize, usize)) {
    until(|| stage.sandbox.builds_of(tenant) == wanted);
}

#[test]
fn a_call_without_an_instance_has_to_wait_and_nothing_is_made_on_its_thread() {
    let stage = Stage::new();
    let binding = stage.bound("publish-allow");
    let (mut first, mut second) = (stage.slot_of(&binding), stage.slot_of(&binding));
    publish(&mut first, "1").unwrap();
    let fault = publish_now(&mut second, "1").expect_err("nobody waited");
    assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
    publish(&mut second, "1").unwrap();
    assert!(!is_pending(&mut second));
}

#[test]
fn victims_come_back_while_the_inits_of_eight_others_loop() {
    let stage = Stage::new();
    let mut victims: Vec<Slot> = (0..3)
        .map(|n| {
            let binding = stage.bind("trap-on-zero", options_of(&format!("victim{n}"))).unwrap();
            stage.slot_of(&binding)
        })
        .collect();
    let mut attackers: Vec<Slot> = (0..8).map(|n| looping(&stage, &format!("attacker{n}"))).collect();
    for victim in &mut victims {
        assert!(matches!(publish(victim, "0"), Err(Fault::Trap(_))));
    }
    for victim in &mut victims {
        publish(victim, "1").expect("it waits for nobody's init");
    }
    // So they came back before any of these was through.
    for attacker in &mut attackers {
        assert!(is_pending(attacker), "it would have looped for two seconds");
    }
}

#[test]
fn a_tenant_builds_one_at_a_time_however_many_ask() {
    let stage = Stage::new();
    let binding = stage.bind("init-loops-later", options_of("attacker")).unwrap();
    let _first = stage.ready_slot_of(&binding);
    let mut slots: Vec<Slot> = (0..7).map(|_| stage.slot_of(&binding)).collect();
    for slot in &mut slots {
        assert!(is_pending(slot));
    }
    let mut other = stage.slot("publish-allow");
    other.evict_idle(stage.clock.now() + Duration::from_mins(6));
    publish(&mut other, "1").expect("it waits for nobody's init");
    assert_eq!(stage.sandbox.builds_of("attacker"), (6, 1));
}

#[test]
fn an_init_that_loops_later_ends_after_its_allowance_and_the_call_is_told_why() {
    let stage = Stage::new();
    let mut slot = looping(&stage, "attacker");
    let fault = publish(&mut slot, "1").expect_err("it looped");
    assert!(matches!(fault, Fault::Deadline(ALLOWANCE)), "{fault}");
}

#[test]
fn a_build_that_nobody_waits_for_any_more_is_broken_off() {
    let stage = Stage::new();
    let slot = looping(&stage, "attacker");
    until_builds(&stage, "attacker", (0, 1));
    let begin = Instant::now();
    drop(slot);
    until_builds(&stage, "attacker", (0, 0));
    assert!(begin.elapsed() < ALLOWANCE, "it was not worth waiting for");
}

#[test]
fn waiting_calls_have_a_limit_and_a_call_that_gives_up_makes_room() {
    let stage = Stage::new();
    let mut slot = looping(&stage, "attacker");
    let waiting: Vec<PendingCall> = std::iter::from_fn(|| slot.pending(HookKind::Publish)).collect();
    assert_eq!(waiting.len(), WAITING_CALLS);
    assert!(matches!(publish_now(&mut slot, "1"), Err(Fault::Unavailable(_))));
    drop(waiting);
    assert!(is_pending(&mut slot));
}

#[test]
fn while_the_circuit_is_open_nothing_is_made() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    for number in 1..=5 {
        let fault = publish_of(&client(number), &mut stage.slot_of(&binding), "0");
        assert!(matches!(fault, Err(Fault::Trap(_))));
        stage.clock.advance(Duration::from_millis(150));
    }
    until_builds(&stage, "acme", (0, 0));
    let mut slot = stage.slot_of(&binding);
    let refused =
        |slot: &mut Slot| matches!(publish_now(slot, "1"), Err(Fault::Unavailable(why)) if why.contains("circuit"));
    assert!(!is_pending(&mut slot) && refused(&mut slot));
    assert_eq!(stage.sandbox.builds_of("acme"), (0, 0));
    stage.clock.advance(Duration::from_secs(1));
    assert!(is_pending(&mut slot), "a trial waits for its instance like any call");
    publish(&mut slot, "1").unwrap();
    publish(&mut slot, "1").expect("the trial closed it");
}
