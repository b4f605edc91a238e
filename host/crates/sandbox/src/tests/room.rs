//! Room for instances: which one goes when another needs it, and that nobody who is served notices.

use super::*;

/// A stage with room for so many instances, and so much memory for all of them.
fn stage(instances: usize, memory_bytes: usize) -> Stage {
    Stage::with_options(SandboxOptions {
        instances: Some(instances),
        memory_bytes,
        ..SandboxOptions::default()
    })
}

/// The guest in a tenant of its own.
fn slot(stage: &Stage, guest: &str, tenant: &str) -> Slot {
    let options = BindingOptions {
        tenant: tenant.into(),
        ..options()
    };
    stage.slot_of(&stage.bind(guest, options).unwrap())
}

fn slots(stage: &Stage, guest: &str, count: usize) -> Vec<Slot> {
    (0..count)
        .map(|number| slot(stage, guest, &format!("t{number}")))
        .collect()
}

fn is_there(slot: &mut Slot) -> bool {
    // Of one that is not there another is asked for, which nobody waits for here.
    slot.pending(HookKind::Publish).is_none()
}

/// Time in which what was used is not young any more: the room is taken from those that are not.
fn grow_old(stage: &Stage) {
    let ticks = &stage.sandbox.engine.ticks;
    let begin = ticks.now();
    until(|| ticks.now() > begin + 3);
}

fn instances(stage: &Stage, tenant: &str) -> u64 {
    stage.counted("sluicegate_plugin_instances", &[tenant])
}

#[test]
fn the_least_recently_used_gives_way_of_whatever_tenant() {
    let stage = stage(3, 64 * MIB);
    let mut slots = slots(&stage, "publish-allow", 4);
    for number in [0, 1, 2, 0, 3] {
        publish(&mut slots[number], "1").unwrap();
        grow_old(&stage);
    }
    let there: Vec<u64> = (0..4).map(|number| instances(&stage, &format!("t{number}"))).collect();
    assert_eq!(there, [1, 0, 1, 1]);
    // It comes back when it is asked, in place of the one that is the last now.
    publish(&mut slots[1], "1").unwrap();
    assert_eq!(instances(&stage, "t2"), 0);
    assert!(is_there(&mut slots[0]) && is_there(&mut slots[3]));
}

#[test]
fn many_more_than_there_is_room_for_are_all_served() {
    let stage = stage(2, 64 * MIB);
    let mut slots = slots(&stage, "publish-allow", 9);
    for _ in 0..3 {
        for slot in &mut slots {
            publish(slot, "1").unwrap();
        }
    }
    assert!(stage.sandbox.room.instances() <= 2);
}

#[test]
fn what_was_asked_for_and_is_not_called_yet_is_left_alone_for_a_while() {
    // The while is a second. On a machine that is too busy for that there is another try.
    for _ in 0..20 {
        let stage = stage(1, 64 * MIB);
        let begin = stage.sandbox.engine.ticks.now();
        // One after the other: an eager slot asks for its instance when it is made.
        let mut first = slot(&stage, "publish-allow", "first");
        wait_for_instance(&mut first);
        let mut second = slot(&stage, "publish-allow", "second");
        grow_old(&stage);
        let pending = second.pending(HookKind::Publish);
        assert!(pending.is_some());
        let called = publish_now(&mut first, "1");
        if stage.sandbox.engine.ticks.now() < begin + 1_000 {
            called.expect("it is there for whoever waited");
            publish(&mut second, "1").expect("now it is the other's turn");
            return;
        }
    }
    panic!("each try took a second");
}

#[test]
fn a_call_in_progress_is_not_disturbed() {
    let stage = stage(1, 64 * MIB);
    // `slow` computes for a while before it answers.
    let mut slow = slot(&stage, "slow", "slow");
    let mut other = slot(&stage, "publish-allow", "other");
    wait_for_instance(&mut slow);
    thread::scope(|scope| {
        let called = scope.spawn(|| (0..50).filter(|_| publish(&mut other, "1").is_ok()).count());
        for _ in 0..50 {
            // It may have to come back first, but a call that begins ends well.
            publish(&mut slow, "1").expect("whoever is called stays");
        }
        assert_eq!(called.join().unwrap(), 50);
    });
}

#[test]
fn memory_over_the_limit_is_given_back_by_the_least_recently_used() {
    let stage = stage(16, 3 * MIB);
    // Each has a memory of four pages, all of which count where it is not known what is touched.
    let mut slots = slots(&stage, "publish-allow", 40);
    for slot in &mut slots {
        publish(slot, "1").unwrap();
        assert!(stage.sandbox.usage.bytes() <= 3 * MIB);
    }
    // A lower limit holds at once, for those that are idle.
    grow_old(&stage);
    stage.sandbox.limit_memory(1);
    until(|| stage.sandbox.usage.bytes() == 0);
    publish(&mut slots[0], "1").expect("one is there nevertheless");
}

#[test]
fn memory_is_counted_for_its_tenant_and_growth_with_it() {
    let stage = stage(16, 64 * MIB);
    let memory = stage.sandbox.tenant_memory(&"acme".into());
    assert_eq!(memory.bytes(), 0);
    let mut slot = stage.slot("overgrows");
    wait_for_instance(&mut slot);
    let before = memory.bytes();
    assert!(before > 0);
    assert_eq!(stage.sandbox.usage.bytes(), before);
    drop(publish_now(&mut slot, "1"));
    drop(slot);
    until(|| memory.bytes() == 0);
    assert_eq!(stage.sandbox.usage.bytes(), 0);
}

#[test]
fn instances_take_no_more_mappings_than_they_are_counted_with() {
    let most = 48 * engine::MAPPINGS_PER_MEMORY as u64 + 64;
    // Other tests of this process make threads and instances meanwhile, which only adds: one round without them is enough.
    let taken: Vec<u64> = (0..5)
        .map_while(|_| Some(mappings_of_48_instances()).filter(|taken| *taken > most))
        .collect();
    assert!(taken.len() < 5, "{taken:?}");
}

fn mappings_of_48_instances() -> u64 {
    let stage = stage(64, 640 * MIB);
    let before = machine::mappings_now().expect("a Linux");
    let mut slots = slots(&stage, "publish-allow", 48);
    for slot in &mut slots {
        publish(slot, "1").unwrap();
    }
    let after = machine::mappings_now().expect("a Linux");
    after.saturating_sub(before)
}

#[test]
fn an_init_that_fails_at_its_first_use_is_told_once_and_later_ones_are_faults() {
    let stage = Stage::new();
    let first_use: Arc<FirstUse> = Arc::default();
    let options = BindingOptions {
        first_use: Arc::clone(&first_use),
        ..options()
    };
    // Its init fails from the second time on.
    let binding = stage.try_out("init-err-later", options.clone()).unwrap();
    let mut slots = [stage.slot_of(&binding), stage.slot_of(&binding)];
    for slot in &mut slots {
        let fault = publish(slot, "1").expect_err("its init fails");
        assert!(fault.to_string().contains("FORGED"), "{fault}");
    }
    assert!(first_use.has_failed());
    let told = block_on_value(stage.sandbox.unusable());
    assert_eq!(told.len(), 1);
    assert_eq!((&*told[0].tenant, &*told[0].plugin), ("acme", "init-err-later"));
    assert!(Arc::ptr_eq(&told[0].first_use, &first_use));

    // One that has served and then fails is a fault, as any other.
    let served: Arc<FirstUse> = Arc::default();
    let binding = stage
        .bind(
            "init-loops-later",
            BindingOptions {
                tenant: "other".into(),
                first_use: Arc::clone(&served),
                ..options
            },
        )
        .unwrap();
    let mut slot = stage.slot_of(&binding);
    assert!(matches!(publish(&mut slot, "0"), Err(Fault::Trap(_))));
    assert!(matches!(publish(&mut slot, "1"), Err(Fault::Deadline(_))));
    assert!(!served.has_failed());
}

#[test]
fn an_eager_one_is_made_before_anybody_asks_and_stays() {
    let stage = Stage::new();
    let options = BindingOptions {
        eager: true,
        ..options()
    };
    let mut slot = stage.slot_of(&stage.bind("publish-allow", options).unwrap());
    until(|| instances(&stage, "acme") == 1);
    slot.evict_idle(stage.clock.now() + Duration::from_hours(1));
    publish_now(&mut slot, "1").unwrap();
}

/// The value of a future that is ready soon.
fn block_on_value<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let begin = Instant::now();
    loop {
        let mut context = Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        assert!(begin.elapsed() < PATIENCE);
        thread::yield_now();
    }
}
