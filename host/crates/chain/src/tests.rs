//! Verdicts, faults and permits, with plugins in plain Rust.

mod faults;
mod pauses;
mod pending;

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use sluicegate_contract::limits::{ATTRIBUTE_KEY_BYTES, ATTRIBUTE_VALUE_BYTES, ATTRIBUTES};

use super::*;
use protocol::Content;
use protocol::names::Channel;

/// Answers what it is told to, and counts how often it was asked.
struct Scripted {
    connect: Result<ConnectVerdict, Fault>,
    subscribe: Result<HookResponse<SubscribeVerdict>, Fault>,
    publish: Rc<RefCell<Result<HookResponse<PublishVerdict>, Fault>>>,
    seen: Rc<RefCell<Vec<String>>>,
    takes_bytes: bool,
    /// It is never there, and notes here which calls would wait.
    missing: Option<Rc<RefCell<Vec<HookKind>>>>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            connect: Ok(ConnectVerdict::Abstain),
            subscribe: Ok(SubscribeVerdict::Abstain.into()),
            publish: Rc::new(RefCell::new(Ok(PublishVerdict::Abstain.into()))),
            seen: Rc::default(),
            takes_bytes: false,
            missing: None,
        }
    }
}

impl Hook for Scripted {
    fn pending(&mut self, hook: HookKind) -> Option<PendingCall> {
        self.missing.as_ref()?.borrow_mut().push(hook);
        Some(Box::pin(std::future::pending()))
    }
    fn connect(&mut self, _: &Arc<Handshake>, _: &Arc<Caller>) -> Result<HookResponse<ConnectVerdict>, Fault> {
        self.seen.borrow_mut().push("connect".into());
        self.connect.clone().map(HookResponse::from)
    }
    fn subscribe(&mut self, _: &Arc<Caller>, channel: &str) -> Result<HookResponse<SubscribeVerdict>, Fault> {
        self.seen.borrow_mut().push(format!("subscribe {channel}"));
        self.subscribe.clone()
    }
    fn takes_bytes(&self) -> bool {
        self.takes_bytes
    }
    fn publish(
        &mut self,
        _: &Arc<Caller>,
        _: &str,
        _: Content,
        data: &[u8],
    ) -> Result<HookResponse<PublishVerdict>, Fault> {
        self.seen
            .borrow_mut()
            .push(format!("publish {}", String::from_utf8_lossy(data)));
        self.publish.borrow().clone()
    }
    fn disconnect(&mut self, _: &Arc<Caller>, code: u16) -> Result<(), Fault> {
        self.seen.borrow_mut().push(format!("disconnect {code}"));
        Ok(())
    }
    fn judged(&mut self, hook: HookKind, _: &Arc<Caller>, outcome: Result<(), &Fault>) {
        let outcome = outcome.map_or_else(ToString::to_string, |()| "good".to_owned());
        self.seen
            .borrow_mut()
            .push(format!("judged {}: {outcome}", hook.name()));
    }
    fn evict_idle(&mut self, _: Instant) {}
}

const OPEN: Defaults = Defaults {
    anonymous: true,
    allow: true,
    message_bytes: 64,
};
const CLOSED: Defaults = Defaults {
    anonymous: false,
    allow: false,
    message_bytes: 64,
};

fn step(name: &str, hook: Scripted, on_fault: OnFault) -> ChainStep {
    ChainStep {
        plugin: name.into(),
        hooks: HookKind::ALL.into_iter().collect(),
        on_fault: FaultRules {
            connect: on_fault,
            subscribe: on_fault,
            publish: on_fault,
        },
        hook: Box::new(hook),
    }
}

fn chain(hooks: impl IntoIterator<Item = Scripted>, defaults: Defaults) -> Chain {
    let named = hooks.into_iter().enumerate();
    let steps = named.map(|(i, hook)| step(&format!("p{i}"), hook, OnFault::Deny));
    Chain::new(steps.collect(), defaults)
}

fn caller() -> Arc<Caller> {
    Arc::new(Caller::new(
        "s1".into(),
        "acme".into(),
        Ipv4Addr::LOCALHOST.into(),
        "websocket",
    ))
}

fn channel(name: &str) -> Channel {
    Channel::parse(name).unwrap()
}

fn denial(code: u16) -> Denial {
    Denial {
        code,
        reason: "no".into(),
        message: None,
        retry_after_ms: Some(7),
        penalty: Penalty::Disconnect,
    }
}

fn says(verdict: impl Into<HookResponse<PublishVerdict>>) -> Scripted {
    Scripted {
        publish: Rc::new(RefCell::new(Ok(verdict.into()))),
        ..Scripted::default()
    }
}

fn faults() -> Scripted {
    let fault = Fault::Trap("unreachable".into());
    Scripted {
        connect: Err(fault.clone()),
        subscribe: Err(fault.clone()),
        publish: Rc::new(RefCell::new(Err(fault))),
        ..Scripted::default()
    }
}

/// Asks a question that nobody pauses.
fn ask<Q: Question>(chain: &mut Chain, caller: &Arc<Caller>, question: Q) -> Q::Answer {
    match chain.ask(question, caller, &mut || false) {
        Asked::Answered(answer) => answer,
        Asked::Paused(_) => panic!("it paused"),
    }
}

fn connect(chain: &mut Chain, caller: &Arc<Caller>) -> Result<Identity, Denied> {
    ask(chain, caller, ConnectQuestion::new(Handshake::default()))
}

fn subscribe(chain: &mut Chain, caller: &Arc<Caller>) -> Result<Grant, Denied> {
    ask(chain, caller, SubscribeQuestion::new(channel("room")))
}

fn message(granted: bool) -> PublishQuestion {
    PublishQuestion::new(channel("room"), Content::Json, Bytes::from_static(b"{}"), granted)
}

fn publish(chain: &mut Chain, caller: &Arc<Caller>, granted: bool) -> Result<Option<Message>, u16> {
    passed(ask(chain, caller, message(granted)))
}

/// The message that was let pass, if it was not discarded.
fn passed(answer: Result<PublishDecision, Denied>) -> Result<Option<Message>, u16> {
    match answer {
        Ok(PublishDecision::Pass(permit)) => Ok(Some(permit.redeem())),
        Ok(PublishDecision::Discard) => Ok(None),
        Err(denied) => Err(denied.code),
    }
}

#[test]
fn the_first_accept_names_the_identity_and_a_later_deny_still_ends_it() {
    let accept = |user: &str| Scripted {
        connect: Ok(ConnectVerdict::Accept(Identity {
            user: Some(user.into()),
            ..Identity::default()
        })),
        ..Scripted::default()
    };
    let deny = Scripted {
        connect: Ok(ConnectVerdict::Deny(denial(4601))),
        ..Scripted::default()
    };
    let mut two = chain([accept("ann"), accept("bob")], CLOSED);
    assert_eq!(connect(&mut two, &caller()).unwrap().user.as_deref(), Some("ann"));
    let denied = connect(&mut chain([accept("ann"), deny], CLOSED), &caller()).unwrap_err();
    assert_eq!((denied.code, denied.plugin.as_deref()), (4601, Some("p1")));
    assert_eq!((denied.retry_after_ms, denied.penalty), (Some(7), Penalty::Disconnect));
}

/// Denies with whom it sees.
struct Sees;

impl Hook for Sees {
    fn connect(&mut self, _: &Arc<Handshake>, caller: &Arc<Caller>) -> Result<HookResponse<ConnectVerdict>, Fault> {
        let reason = caller
            .user()
            .map_or_else(|| "nobody".to_owned(), |user| user.to_string());
        Ok(ConnectVerdict::Deny(Denial { reason, ..denial(4451) }).into())
    }
    fn subscribe(&mut self, _: &Arc<Caller>, _: &str) -> Result<HookResponse<SubscribeVerdict>, Fault> {
        Ok(SubscribeVerdict::Abstain.into())
    }
    fn publish(
        &mut self,
        _: &Arc<Caller>,
        _: &str,
        _: Content,
        _: &[u8],
    ) -> Result<HookResponse<PublishVerdict>, Fault> {
        Ok(PublishVerdict::Abstain.into())
    }
    fn disconnect(&mut self, _: &Arc<Caller>, _: u16) -> Result<(), Fault> {
        Ok(())
    }
    fn judged(&mut self, _: HookKind, _: &Arc<Caller>, _: Result<(), &Fault>) {}
    fn evict_idle(&mut self, _: Instant) {}
}

#[test]
fn later_plugins_see_whom_an_earlier_one_named_and_a_denial_says_who() {
    let accept = Scripted {
        connect: Ok(ConnectVerdict::Accept(Identity {
            user: Some("ann".into()),
            ..Identity::default()
        })),
        ..Scripted::default()
    };
    let sees = ChainStep {
        plugin: "sees".into(),
        hooks: HookKind::ALL.into_iter().collect(),
        on_fault: FaultRules::default(),
        hook: Box::new(Sees),
    };
    let mut both = Chain::new(vec![step("accepts", accept, OnFault::Deny), sees], CLOSED);
    let stranger = caller();
    let denied = connect(&mut both, &stranger).unwrap_err();
    assert_eq!((&*denied.reason, denied.user.as_deref()), ("ann", Some("ann")));
    assert_eq!(stranger.user(), None, "who was refused is still nobody");
}

#[test]
fn when_all_abstain_the_tenant_decides() {
    let abstain = || chain([Scripted::default()], CLOSED);
    assert_eq!(connect(&mut abstain(), &caller()).unwrap_err().code, 4401);
    assert_eq!(subscribe(&mut abstain(), &caller()).unwrap_err().code, 4403);
    assert_eq!(publish(&mut abstain(), &caller(), false).unwrap_err(), 4403);
    let mut open = chain([Scripted::default()], OPEN);
    assert_eq!(connect(&mut open, &caller()).unwrap().user, None);
    assert!(subscribe(&mut open, &caller()).unwrap().history);
    assert!(publish(&mut open, &caller(), false).unwrap().is_some());
}

#[test]
fn a_grant_to_publish_counts_as_an_allow_but_not_against_a_deny() {
    assert!(
        publish(&mut chain([Scripted::default()], CLOSED), &caller(), true)
            .unwrap()
            .is_some()
    );
    let mut denies = chain([says(PublishVerdict::Deny(denial(4422)))], OPEN);
    assert_eq!(publish(&mut denies, &caller(), true), Err(4422));
}

#[test]
fn rights_add_up_and_the_first_expiry_ends_them() {
    let allows = |publish, history, expires_ms| Scripted {
        subscribe: Ok(SubscribeVerdict::Allow(Grant {
            publish,
            history,
            presence: false,
            expires_ms,
        })
        .into()),
        ..Scripted::default()
    };
    let mut both = chain([allows(true, false, Some(20)), allows(false, true, Some(10))], CLOSED);
    let grant = subscribe(&mut both, &caller()).unwrap();
    assert_eq!(
        (grant.publish, grant.history, grant.presence, grant.expires_ms),
        (true, true, false, Some(10))
    );
}

#[test]
fn a_replacement_goes_to_the_next_plugin_and_is_no_allow() {
    let second = Scripted::default();
    let seen = second.seen.clone();
    let replace = says(PublishVerdict::Replace(Bytes::from_static(b"[1]")));
    assert_eq!(
        publish(&mut chain([replace, second], CLOSED), &caller(), false),
        Err(4403)
    );
    assert_eq!(*seen.borrow(), ["publish [1]"]);
}

#[test]
fn discard_ends_the_chain() {
    let after = Scripted::default();
    let seen = after.seen.clone();
    assert_eq!(
        publish(
            &mut chain([says(PublishVerdict::Discard), after], OPEN),
            &caller(),
            false
        ),
        Ok(None)
    );
    assert!(seen.borrow().is_empty());
}

#[test]
fn a_later_tag_wins_in_the_place_of_the_first() {
    let tagged = |pairs: &[(&str, &str)]| {
        says(HookResponse {
            verdict: PublishVerdict::Allow,
            tags: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            cache: None,
        })
    };
    let mut both = chain([tagged(&[("a", "1"), ("b", "1")]), tagged(&[("a", "2")])], CLOSED);
    let message = publish(&mut both, &caller(), false).unwrap().unwrap();
    assert_eq!(message.tags, [("a".into(), "2".into()), ("b".into(), "1".into())]);
}

#[test]
fn a_cached_verdict_is_reused_until_a_new_chain_comes() {
    let hook = || {
        says(HookResponse {
            verdict: PublishVerdict::Allow,
            tags: vec![("t".into(), "1".into())],
            cache: Some(Duration::from_hours(1)),
        })
    };
    let first = hook();
    let seen = first.seen.clone();
    let ann = caller();
    let mut before = chain([first], CLOSED);
    for _ in 0..3 {
        let message = publish(&mut before, &ann, false).unwrap().unwrap();
        assert_eq!(message.tags.len(), 1);
    }
    assert_eq!(seen.borrow().len(), 1);
    let second = hook();
    let seen = second.seen.clone();
    publish(&mut chain([second], CLOSED), &ann, false).unwrap();
    assert_eq!(seen.borrow().len(), 1);
}

#[test]
fn everyone_hears_of_the_end() {
    let (one, two) = (Scripted::default(), Scripted::default());
    let seen = [one.seen.clone(), two.seen.clone()];
    ask(&mut chain([one, two], CLOSED), &caller(), DisconnectQuestion::new(4001));
    for seen in seen {
        assert_eq!(*seen.borrow(), ["disconnect 4001"]);
    }
}

#[test]
fn attributes_are_bounded() {
    let ann = caller();
    for n in 0..ATTRIBUTES {
        ann.set_attribute(&n.to_string(), "x").unwrap();
    }
    assert!(ann.set_attribute("one more", "x").is_err());
    ann.set_attribute("0", "changed").unwrap();
    assert_eq!(ann.attribute("0").as_deref(), Some("changed"));
    assert!(ann.set_attribute("0", &"x".repeat(ATTRIBUTE_VALUE_BYTES + 1)).is_err());
    assert!(ann.set_attribute(&"k".repeat(ATTRIBUTE_KEY_BYTES + 1), "x").is_err());
}
