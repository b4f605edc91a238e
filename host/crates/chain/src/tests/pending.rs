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
    let ann = caller();
    let waits = [
        (chain.pending(&ConnectQuestion::new(Handshake::default()), &ann), 0),
        (chain.pending(&SubscribeQuestion::new(channel("room")), &ann), 1),
        (chain.pending(&message(true), &ann), 2),
        (chain.pending(&DisconnectQuestion::new(1006), &ann), 0),
    ];
    let mut expected = Vec::new();
    for (hook, (pending, steps)) in HookKind::ALL.into_iter().zip(waits) {
        assert_eq!(pending.is_some(), steps > 0, "{hook:?}");
        expected.extend(vec![hook; steps]);
    }
    assert_eq!(told.take(), expected);
}

#[test]
fn a_question_that_paused_does_not_wait_for_whom_it_has_asked() {
    let told = Rc::<RefCell<Vec<HookKind>>>::default();
    let missing = || Scripted {
        missing: Some(told.clone()),
        ..Scripted::default()
    };
    let mut before = chain([missing(), missing(), missing()], OPEN);
    let ann = caller();
    let Asked::Paused(question) = before.ask(message(true), &ann, &mut || true) else {
        panic!("it did not pause");
    };
    assert!(before.pending(&question, &ann).is_some());
    assert_eq!(told.take().len(), 2, "the first was asked");
    // A new chain is asked from its beginning.
    assert!(chain([missing()], OPEN).pending(&question, &ann).is_some());
    assert_eq!(told.take().len(), 1);
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
    let (ann, bob) = (caller(), caller());
    let waits =
        |chain: &mut Chain, who: &Caller| chain.pending(&SubscribeQuestion::new(channel("room")), who).is_some();
    assert!(waits(&mut chain, &ann));
    subscribe(&mut chain, &ann).unwrap();
    assert!(!waits(&mut chain, &ann));
    assert!(waits(&mut chain, &bob));
}
