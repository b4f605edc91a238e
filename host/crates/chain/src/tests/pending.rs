//! Which calls wait for plugins that are not there.

use super::*;

#[test]
fn a_call_waits_for_the_steps_that_hear_it_and_all_of_them_are_told() {
    let told = Rc::<RefCell<Vec<HookKind>>>::default();
    let missing = |hooks: &[HookKind]| {
        let hook = Scripted {
            missing: Some(told.clone()),
            ..Scripted::default()
        };
        ChainStep {
            hooks: hooks.iter().copied().collect(),
            ..step("missing", hook, OnFault::Deny)
        }
    };
    let both = [HookKind::Publish, HookKind::Subscribe];
    let there = step("there", Scripted::default(), OnFault::Deny);
    let mut chain = Chain::new(vec![there, missing(&both), missing(&both[..1])], OPEN);
    let (ann, room) = (caller(), channel("room"));
    for (hook, steps) in [
        (HookKind::Connect, 0),
        (HookKind::Subscribe, 1),
        (HookKind::Publish, 2),
        (HookKind::Disconnect, 0),
    ] {
        let pending = chain.pending(hook, &ann, Some(&room));
        assert_eq!(pending.is_some(), steps > 0, "{hook:?}");
        assert_eq!(told.take(), vec![hook; steps]);
    }
}

#[test]
fn a_call_does_not_wait_for_a_plugin_whose_verdict_is_remembered() {
    let hook = Scripted {
        subscribe: Ok(HookResponse {
            cache: Some(Duration::from_mins(1)),
            ..SubscribeVerdict::Abstain.into()
        }),
        missing: Some(Rc::default()),
        ..Scripted::default()
    };
    let mut chain = Chain::new(vec![step("cached", hook, OnFault::Deny)], OPEN);
    let (ann, bob, room) = (caller(), caller(), channel("room"));
    let waits = |chain: &mut Chain, who: &Caller| chain.pending(HookKind::Subscribe, who, Some(&room)).is_some();
    assert!(waits(&mut chain, &ann));
    chain.subscribe(&ann, &room).unwrap();
    assert!(!waits(&mut chain, &ann));
    assert!(waits(&mut chain, &bob));
}
