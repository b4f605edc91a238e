//! Well-behaved guests: what they answer is what the chain gets.

use std::time::Duration;

use super::*;
use chain::{ConnectVerdict, Denial, Grant, HookKind, Hooks, Identity, Penalty, SubscribeVerdict};

#[test]
fn verdicts_arrive_as_they_were_given() {
    let stage = Stage::new();
    for (guest, verdict) in [
        ("publish-allow", PublishVerdict::Allow),
        ("publish-discard", PublishVerdict::Discard),
        ("publish-echo", PublishVerdict::Replace("{\"a\":1}".into())),
    ] {
        let mut slot = stage.slot(guest);
        for _ in 0..3 {
            let answer = publish(&mut slot, "{\"a\":1}").unwrap_or_else(|fault| panic!("{guest}: {fault}"));
            assert_eq!(answer, verdict.clone().into(), "{guest}");
        }
    }
}

#[test]
fn all_four_hooks_are_asked() {
    let stage = Stage::new();
    let binding = stage.bound("grants");
    let mut slot = stage.ready_slot_of(&binding);
    let caller = caller();
    let accepted = slot.connect(&Arc::default(), &caller).unwrap().verdict;
    let nobody = Identity {
        claims: "{}".into(),
        ..Identity::default()
    };
    assert_eq!(accepted, ConnectVerdict::Accept(nobody));
    let granted = Grant {
        publish: true,
        presence: true,
        history: false,
        expires_ms: None,
    };
    assert_eq!(
        slot.subscribe(&caller, "room:1").unwrap().verdict,
        SubscribeVerdict::Allow(granted)
    );
    if binding.hooks().has(HookKind::Disconnect) {
        slot.disconnect(&caller, 1000).unwrap();
    }
}

#[test]
fn denials_arrive_with_all_that_belongs_to_them() {
    let stage = Stage::new();
    let mut slot = stage.slot("own-codes");
    let PublishVerdict::Deny(denial) = publish(&mut slot, "1").unwrap().verdict else {
        panic!("it denies");
    };
    assert_eq!(denial.code, 4600);
    assert!(denial.retry_after_ms.is_some());
    let subscribed = slot.subscribe(&caller(), "room:1").unwrap().verdict;
    let SubscribeVerdict::Deny(Denial { code, penalty, .. }) = subscribed else {
        panic!("it denies");
    };
    assert_eq!((code, penalty), (4310, Penalty::Disconnect));
}

#[test]
fn effects_come_with_the_verdict_and_not_with_the_next() {
    let stage = Stage::new();
    let mut tagging = stage.slot("publish-tag");
    for _ in 0..2 {
        assert_eq!(
            publish(&mut tagging, "1").unwrap().tags,
            [("mood".into(), "better".into())]
        );
    }
    let mut caching = stage.slot("ask-once");
    assert_eq!(publish(&mut caching, "1").unwrap().cache, Some(Duration::from_mins(1)));
}

#[test]
fn only_the_hooks_that_the_config_names_are_asked() {
    let stage = Stage::new();
    let connect: Hooks = [HookKind::Connect].into_iter().collect();
    let mut options = options();
    options.hooks = Some(connect);
    assert_eq!(stage.bind("grants", options).unwrap().hooks(), connect);
}

#[test]
fn verdicts_are_counted() {
    let stage = Stage::new();
    let mut slot = stage.slot("publish-allow");
    for _ in 0..3 {
        publish(&mut slot, "1").unwrap();
    }
    let labels = ["acme", "publish-allow", "publish", "allow"];
    assert_eq!(stage.counted("sluicegate_hook_verdicts_total", &labels), 3);
}

#[test]
fn an_idle_instance_is_given_back_and_made_again() {
    let stage = Stage::new();
    let alive = || stage.counted("sluicegate_plugin_instances", &["acme", "publish-allow"]);
    let mut slot = stage.slot("publish-allow");
    publish(&mut slot, "1").unwrap();
    slot.evict_idle(stage.clock.now());
    stage.clock.advance(Duration::from_secs(299));
    slot.evict_idle(stage.clock.now());
    assert_eq!(alive(), 1);
    stage.clock.advance(Duration::from_secs(1));
    slot.evict_idle(stage.clock.now());
    until(|| alive() == 0);
    assert!(matches!(publish_now(&mut slot, "1"), Err(Fault::Unavailable(_))));
    publish(&mut slot, "1").unwrap();
    assert_eq!(alive(), 1);
}

#[test]
fn each_slot_has_an_instance_of_its_own() {
    let stage = Stage::new();
    let binding = stage.bound("publish-allow");
    let mut slots = [
        stage.slot_of(&binding),
        stage.slot_of(&binding),
        stage.slot_of(&binding),
    ];
    for slot in &mut slots {
        publish(slot, "1").unwrap();
    }
    assert_eq!(stage.counted("sluicegate_plugin_instances", &["acme"]), 3);
}
