//! Questions that pause between plugins: they come to what they come to without, whoever is asked meanwhile.

use super::*;

/// Asks to the end with a pause wherever one is offered: the answer, and how often it paused.
fn ask_with_pauses<Q: Question>(chain: &mut Chain, caller: &Arc<Caller>, mut question: Q) -> (Q::Answer, usize) {
    let mut pauses = 0;
    loop {
        match chain.ask(question, caller, &mut || true) {
            Asked::Answered(answer) => return (answer, pauses),
            Asked::Paused(paused) => question = paused,
        }
        pauses += 1;
    }
}

/// Asks until the first pause.
fn pause<Q: Question>(chain: &mut Chain, caller: &Arc<Caller>, question: Q) -> Q {
    match chain.ask(question, caller, &mut || true) {
        Asked::Paused(question) => question,
        Asked::Answered(_) => panic!("it was answered"),
    }
}

fn accepts(user: &str) -> Scripted {
    Scripted {
        connect: Ok(ConnectVerdict::Accept(Identity {
            user: Some(user.into()),
            ..Identity::default()
        })),
        ..Scripted::default()
    }
}

fn allows(grant: Grant) -> Scripted {
    Scripted {
        subscribe: Ok(SubscribeVerdict::Allow(grant).into()),
        ..Scripted::default()
    }
}

fn tagged(verdict: PublishVerdict, tags: &[(&str, &str)], cache: Option<Duration>) -> Scripted {
    says(HookResponse {
        verdict,
        tags: tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        cache,
    })
}

fn replaced(data: &'static str) -> PublishVerdict {
    PublishVerdict::Replace(Bytes::from_static(data.as_bytes()))
}

/// Makes the plugins of a case anew, each with what it means if it faults.
type Plugins = fn() -> Vec<(Scripted, OnFault)>;

fn chain_of(plugins: Plugins, defaults: Defaults) -> (Chain, Vec<Rc<RefCell<Vec<String>>>>) {
    let plugins = plugins();
    let seen = plugins.iter().map(|(hook, _)| hook.seen.clone()).collect();
    let steps = plugins.into_iter().enumerate();
    let steps = steps.map(|(n, (hook, on_fault))| step(&format!("p{n}"), hook, on_fault));
    (Chain::new(steps.collect(), defaults), seen)
}

/// Asks a question three times of chains with and without pauses, and compares the answers and what plugins were asked.
fn compare<Q: Question>(plugins: Plugins, defaults: Defaults, pauses: usize, question: impl Fn() -> Q)
where
    Q::Answer: std::fmt::Debug,
{
    let (mut without, asked_without) = chain_of(plugins, defaults);
    let (mut with, asked_with) = chain_of(plugins, defaults);
    let (ann, bob) = (caller(), caller());
    for round in 0..3 {
        let expected = ask(&mut without, &ann, question());
        let (answer, paused) = ask_with_pauses(&mut with, &bob, question());
        // Verdicts that are remembered from the first round are given without a pause.
        assert!(if round == 0 { paused == pauses } else { paused <= pauses }, "{paused}");
        assert_eq!(format!("{answer:?}"), format!("{expected:?}"));
        assert_eq!(asked_with, asked_without);
    }
}

#[test]
fn a_publish_comes_to_the_same_with_a_pause_before_each_plugin() {
    use OnFault::{Allow, Cached, Deny};
    use PublishVerdict as Verdict;
    const HOUR: Option<Duration> = Some(Duration::from_hours(1));
    let cases: [(Plugins, usize); 10] = [
        (|| vec![(says(Verdict::Allow), Deny)], 0),
        (
            || {
                vec![
                    (says(Verdict::Abstain), Deny),
                    (says(Verdict::Allow), Deny),
                    (says(Verdict::Abstain), Deny),
                ]
            },
            2,
        ),
        (
            || vec![(says(Verdict::Abstain), Deny), (says(Verdict::Abstain), Deny)],
            1,
        ),
        (
            || {
                vec![
                    (says(replaced("1")), Deny),
                    (says(Verdict::Allow), Deny),
                    (says(replaced("[2]")), Deny),
                ]
            },
            2,
        ),
        (
            || {
                vec![
                    (says(Verdict::Allow), Deny),
                    (says(replaced("{")), Deny),
                    (says(Verdict::Allow), Deny),
                ]
            },
            1,
        ),
        (
            || {
                vec![
                    (tagged(Verdict::Allow, &[("a", "1"), ("b", "1")], None), Deny),
                    (tagged(Verdict::Abstain, &[("a", "2"), ("c", "2")], None), Deny),
                ]
            },
            1,
        ),
        (
            || {
                vec![
                    (says(Verdict::Allow), Deny),
                    (says(Verdict::Discard), Deny),
                    (says(Verdict::Allow), Deny),
                ]
            },
            1,
        ),
        (
            || {
                vec![
                    (says(Verdict::Allow), Deny),
                    (says(Verdict::Deny(denial(4422))), Deny),
                    (faults(), Deny),
                ]
            },
            1,
        ),
        (
            || {
                vec![
                    (faults(), Allow),
                    (faults(), Allow),
                    (faults(), Cached),
                    (says(Verdict::Allow), Deny),
                ]
            },
            2,
        ),
        (
            || {
                vec![
                    (tagged(Verdict::Allow, &[("t", "1")], HOUR), Deny),
                    (says(Verdict::Abstain), Deny),
                    (tagged(Verdict::Abstain, &[("t", "2")], HOUR), Cached),
                ]
            },
            2,
        ),
    ];
    for (plugins, pauses) in cases {
        for defaults in [OPEN, CLOSED] {
            compare(plugins, defaults, pauses, || message(false));
            compare(plugins, defaults, pauses, || message(true));
        }
    }
}

#[test]
fn a_connect_and_a_subscribe_come_to_the_same_with_a_pause_before_each_plugin() {
    use OnFault::{Allow, Deny};
    let cases: [(Plugins, usize); 4] = [
        (|| vec![(Scripted::default(), Deny), (Scripted::default(), Deny)], 1),
        (
            || {
                vec![
                    (accepts("ann"), Deny),
                    (accepts("bob"), Deny),
                    (Scripted::default(), Deny),
                ]
            },
            2,
        ),
        (
            || {
                vec![
                    (faults(), Allow),
                    (accepts("bob"), Deny),
                    (faults(), Deny),
                    (accepts("eve"), Deny),
                ]
            },
            2,
        ),
        (
            || {
                let deny = Scripted {
                    connect: Ok(ConnectVerdict::Deny(denial(4601))),
                    ..Scripted::default()
                };
                vec![(accepts("ann"), Deny), (deny, Deny), (accepts("eve"), Deny)]
            },
            1,
        ),
    ];
    for (plugins, pauses) in cases {
        for defaults in [OPEN, CLOSED] {
            compare(plugins, defaults, pauses, || ConnectQuestion::new(Handshake::default()));
        }
    }
    let cases: [(Plugins, usize); 3] = [
        (
            || {
                vec![
                    (Scripted::default(), Deny),
                    (Scripted::default(), Deny),
                    (Scripted::default(), Deny),
                ]
            },
            2,
        ),
        (
            || {
                let publish = Grant {
                    publish: true,
                    expires_ms: Some(20),
                    ..Grant::default()
                };
                let history = Grant {
                    history: true,
                    expires_ms: Some(10),
                    ..Grant::default()
                };
                vec![(allows(publish), Deny), (allows(history), Deny)]
            },
            1,
        ),
        (
            || {
                let deny = Scripted {
                    subscribe: Ok(SubscribeVerdict::Deny(denial(4403)).into()),
                    ..Scripted::default()
                };
                vec![(faults(), Allow), (deny, Deny), (faults(), Deny)]
            },
            1,
        ),
    ];
    for (plugins, pauses) in cases {
        for defaults in [OPEN, CLOSED] {
            compare(plugins, defaults, pauses, || SubscribeQuestion::new(channel("room")));
        }
    }
}

#[test]
fn a_verdict_that_is_remembered_is_given_without_a_pause() {
    let kept = || tagged(PublishVerdict::Allow, &[], Some(Duration::from_hours(1)));
    let ann = caller();
    let mut all = chain([kept(), kept(), says(PublishVerdict::Abstain), kept()], CLOSED);
    assert_eq!(ask_with_pauses(&mut all, &ann, message(false)).1, 3);
    // One plugin is really asked, and the first one is asked at once.
    assert_eq!(ask_with_pauses(&mut all, &ann, message(false)).1, 0);
}

#[test]
fn a_grant_that_ended_while_the_question_paused_does_not_count() {
    let mut two = chain([Scripted::default(), Scripted::default()], CLOSED);
    for (before, after) in [(true, false), (false, true)] {
        let mut question = pause(&mut two, &caller(), message(before));
        question.granted = after;
        assert_eq!(passed(ask(&mut two, &caller(), question)).is_ok(), after);
    }
}

#[test]
fn a_chain_that_comes_while_a_question_pauses_is_asked_from_its_beginning() {
    let first = tagged(replaced("[1]"), &[("before", "1")], None);
    let allow = says(PublishVerdict::Allow);
    let mut before = chain([allow, first, Scripted::default(), Scripted::default()], CLOSED);
    let ann = caller();
    let once = pause(&mut before, &ann, message(false));
    let question = pause(&mut before, &ann, once);
    // The first chain allowed it, replaced it and gave it a tag. Nothing of that counts.
    let second = tagged(PublishVerdict::Abstain, &[("after", "2")], None);
    let seen = second.seen.clone();
    let mut after = chain([second, says(PublishVerdict::Allow)], CLOSED);
    let question = pause(&mut after, &ann, question);
    let message = passed(ask(&mut after, &ann, question)).unwrap().unwrap();
    assert_eq!(
        (&message.data[..], &*message.tags),
        (&b"{}"[..], &[("after".to_owned(), "2".to_owned())][..])
    );
    assert_eq!(*seen.borrow(), ["publish {}"]);

    let question = pause(&mut before, &ann, super::message(false));
    assert_eq!(
        passed(ask(&mut chain([Scripted::default()], CLOSED), &ann, question)),
        Err(4403)
    );

    let mut names = chain([accepts("ann"), Scripted::default()], CLOSED);
    let question = pause(&mut names, &ann, ConnectQuestion::new(Handshake::default()));
    let mut silent = chain([Scripted::default()], CLOSED);
    assert_eq!(ask(&mut silent, &ann, question).unwrap_err().code, 4401);

    let mut grants = chain([allows(Grant::default()), Scripted::default()], CLOSED);
    let question = pause(&mut grants, &ann, SubscribeQuestion::new(channel("room")));
    assert_eq!(ask(&mut silent, &ann, question).unwrap_err().code, 4403);
}

#[test]
fn who_is_named_is_shown_while_plugins_are_asked_and_not_while_the_question_pauses() {
    let sees = ChainStep {
        plugin: "sees".into(),
        hooks: HookKind::ALL.into_iter().collect(),
        on_fault: FaultRules::default(),
        hook: Box::new(Sees),
    };
    let names = step("names", accepts("ann"), OnFault::Deny);
    let between = step("between", Scripted::default(), OnFault::Deny);
    let mut three = Chain::new(vec![names, between, sees], CLOSED);
    for earlier in [None, Some("old")] {
        let stranger = caller();
        stranger.identify(Identity {
            user: earlier.map(Arc::from),
            ..Identity::default()
        });
        let question = pause(&mut three, &stranger, ConnectQuestion::new(Handshake::default()));
        assert_eq!(stranger.user().as_deref(), earlier);
        let question = pause(&mut three, &stranger, question);
        assert_eq!(stranger.user().as_deref(), earlier);
        let denied = ask(&mut three, &stranger, question).unwrap_err();
        assert_eq!((&*denied.reason, denied.user.as_deref()), ("ann", Some("ann")));
        assert_eq!(stranger.user().as_deref(), earlier);
    }
}

#[test]
fn each_plugin_hears_of_the_end_once_also_if_the_chain_is_another_meanwhile() {
    let named = |names: &[&'static str]| {
        let hooks: Vec<_> = names.iter().map(|name| (*name, Scripted::default())).collect();
        let heard: Vec<_> = hooks.iter().map(|(name, hook)| (*name, hook.seen.clone())).collect();
        let steps = hooks.into_iter().map(|(name, hook)| step(name, hook, OnFault::Deny));
        (Chain::new(steps.collect(), OPEN), heard)
    };
    let ann = caller();
    let (mut before, heard_before) = named(&["a", "b", "b", "c"]);
    let (mut after, heard_after) = named(&["d", "c", "b", "a", "b"]);
    let question = pause(&mut before, &ann, DisconnectQuestion::new(4001));
    let question = pause(&mut before, &ann, question);
    let question = pause(&mut after, &ann, question);
    let ((), pauses) = ask_with_pauses(&mut after, &ann, question);
    let heard = heard_before.iter().chain(&heard_after);
    let heard: Vec<_> = heard.map(|(name, seen)| (*name, seen.borrow().len())).collect();
    assert_eq!(heard[..4], [("a", 1), ("b", 1), ("b", 0), ("c", 0)]);
    assert_eq!(heard[4..], [("d", 1), ("c", 1), ("b", 0), ("a", 0), ("b", 1)]);
    assert_eq!(pauses, 1, "who is left out is not paused for");
}
