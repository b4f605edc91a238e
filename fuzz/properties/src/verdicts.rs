//! What plugins answer: it is what the contract promises to everybody behind, or it is a fault that says why.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chain::{
    Asked, Caller, Chain, ChainStep, ConnectQuestion, ConnectVerdict, Defaults, Denial, Denied, Fault, FaultRules,
    Handshake, Hook, HookKind, HookResponse, Identity, OnFault, Penalty, PublishDecision, PublishQuestion,
    PublishVerdict, Question, SubscribeVerdict,
};
use protocol::Content;
use protocol::names::Channel;
use protocol::write::{self, ErrorReply};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use sluicegate_contract::{codes, limits, verdict};

/// Bytes of a message at most, here.
const MESSAGE_BYTES: usize = 64;
/// A fault's cause is cut and logged on one line.
const CAUSE_BYTES: usize = 1024;

/// Two bytes of a code, one of flags; then parts between NULs: a reason, a message, a user, claims, data.
///
/// # Panics
/// When a property does not hold.
pub fn verdict_conversion(data: &[u8]) {
    let (high, data) = super::split_first(data);
    let (low, data) = super::split_first(data);
    let (flags, data) = super::split_first(data);
    let mut parts = data.splitn(5, |byte| *byte == 0);
    let mut bytes = || parts.next().unwrap_or_default();
    let (reason, message, user, claims) = (text(bytes()), text(bytes()), text(bytes()), text(bytes()));
    let replaced = bytes();
    // Near the codes that there are, most of the time.
    let code = if flags & 1 == 0 {
        4300 + (high % 3) * 256 + low
    } else {
        high * 256 + low
    };
    let penalty = match flags >> 1 & 3 {
        0 => Penalty::Disconnect,
        1 => Penalty::Ban(Duration::from_secs(low as u64)),
        _ => Penalty::None,
    };
    let denial = Denial {
        code: u16::try_from(code).expect("two bytes"),
        reason,
        message: (flags & 8 == 0).then_some(message),
        retry_after_ms: (flags & 16 == 0).then_some(low as u64),
        penalty,
    };
    deny(denial);
    accept(&user, &claims);
    for on_fault in [OnFault::Deny, OnFault::Allow] {
        replace(replaced, on_fault);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn deny(denial: Denial) {
    let disconnects = denial.penalty == Penalty::Disconnect;
    let checked = verdict::check_denial(denial.code, &denial.reason, denial.message.as_deref(), disconnects);
    if let Err(problem) = checked {
        assert!(problem.len() <= CAUSE_BYTES);
        super::one_line(&problem);
        return;
    }
    assert!(codes::is_denial(denial.code, disconnects));
    let denied = refused(ConnectVerdict::Deny(denial.clone()).into());
    assert_eq!((denied.code, &*denied.reason), (denial.code, &*denial.reason));
    assert_eq!(
        (denied.retry_after_ms, denied.penalty),
        (denial.retry_after_ms, denial.penalty)
    );
    assert!(!denied.message.is_empty() || denial.message.is_some());
    super::one_line(&denied.message);
    // What its client reads.
    let reply = ErrorReply {
        code: denied.code,
        reason: &denied.reason,
        message: &denied.message,
        retry: protocol::codes::retry(denied.code),
        retry_after_ms: denied.retry_after_ms,
        plugin: denied.plugin.as_deref(),
    };
    let reply = write::refused_subscription(protocol::Codec::Json, "c", &reply)
        .into_text()
        .expect("short");
    let reply: Value = serde_json::from_slice(&reply).expect("a reply is JSON");
    assert_eq!(reply["error"]["message"], *denied.message, "{reply}");
}

fn accept(user: &str, claims: &str) {
    let checked = verdict::check_user(user).and_then(|()| verdict::check_claims(claims));
    if let Err(problem) = checked {
        assert!(problem.len() <= CAUSE_BYTES);
        super::one_line(&problem);
        return;
    }
    assert!((1..=limits::USER_BYTES).contains(&user.len()) && !user.chars().any(char::is_control));
    if !claims.is_empty() {
        assert!(claims.len() <= limits::CLAIMS_BYTES);
        // Whoever reads them later finds an object.
        serde_json::from_str::<Map<String, Value>>(claims).expect("claims");
    }
    let identity = Identity {
        user: Some(user.into()),
        claims: claims.into(),
        expires_ms: None,
    };
    let mut chain = chain(ConnectVerdict::Accept(identity.clone()), None, OnFault::Deny);
    let connected = ask(&mut chain, ConnectQuestion::new(Handshake::default())).expect("accepted");
    assert_eq!(connected, identity);
}

fn refused(verdict: HookResponse<ConnectVerdict>) -> Denied {
    let mut chain = chain(verdict.verdict, None, OnFault::Deny);
    ask(&mut chain, ConnectQuestion::new(Handshake::default())).expect_err("refused")
}

fn replace(data: &[u8], on_fault: OnFault) {
    let mut chain = chain(ConnectVerdict::Abstain, Some(Bytes::copy_from_slice(data)), on_fault);
    let channel = Channel::parse("c").expect("a name");
    let decision = ask(
        &mut chain,
        PublishQuestion::new(channel, Content::Json, Bytes::from_static(b"1"), true),
    );
    let is_json = std::str::from_utf8(data).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    match (decision, on_fault) {
        (Ok(PublishDecision::Pass(permit)), _) if is_json && data.len() <= MESSAGE_BYTES => {
            assert_eq!(permit.redeem().data, data);
        }
        // As it came: the operator wants it so.
        (Ok(PublishDecision::Pass(permit)), OnFault::Allow) => {
            assert!(!is_json && data.len() <= MESSAGE_BYTES);
            assert_eq!(&permit.redeem().data[..], b"1");
        }
        (Err(denied), _) if data.len() > MESSAGE_BYTES => assert_eq!(denied.code, 4413),
        (Err(denied), OnFault::Deny) => {
            assert!(!is_json);
            assert_eq!(denied.code, 4503);
        }
        (decision, _) => panic!("{decision:?}"),
    }
}

fn ask<Q: Question>(chain: &mut Chain, question: Q) -> Q::Answer {
    match chain.ask(question, &caller(), &mut || false) {
        Asked::Answered(answer) => answer,
        Asked::Paused(_) => unreachable!("nobody asked for a pause"),
    }
}

fn caller() -> Arc<Caller> {
    let here = Ipv4Addr::LOCALHOST.into();
    Arc::new(Caller::new("s".into(), "t".into(), here, "websocket"))
}

fn chain(connect: ConnectVerdict, replace: Option<Bytes>, on_fault: OnFault) -> Chain {
    let step = ChainStep {
        plugin: "p".into(),
        hooks: [HookKind::Connect, HookKind::Publish].into_iter().collect(),
        on_fault: FaultRules {
            connect: on_fault,
            subscribe: on_fault,
            publish: on_fault,
        },
        hook: Box::new(Scripted { connect, replace }),
    };
    let defaults = Defaults {
        anonymous: false,
        allow: false,
        message_bytes: MESSAGE_BYTES,
    };
    Chain::new(vec![step], defaults)
}

/// A plugin that answers what it is told to.
struct Scripted {
    connect: ConnectVerdict,
    replace: Option<Bytes>,
}

impl Hook for Scripted {
    fn connect(&mut self, _: &Arc<Handshake>, _: &Arc<Caller>) -> Result<HookResponse<ConnectVerdict>, Fault> {
        Ok(self.connect.clone().into())
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
        Ok(self
            .replace
            .clone()
            .map_or(PublishVerdict::Abstain, PublishVerdict::Replace)
            .into())
    }
    fn disconnect(&mut self, _: &Arc<Caller>, _: u16) -> Result<(), Fault> {
        Ok(())
    }
    fn judged(&mut self, _: HookKind, _: &Arc<Caller>, _: Result<(), &Fault>) {}
    fn evict_idle(&mut self, _: Instant) {}
}
