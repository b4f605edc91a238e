//! The scripted plugin of a [`Stage`](super::support::Stage), in plain Rust.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::held_clock::HeldClock;
use super::instance_gate::InstanceGate;
use super::support::{Log, SLOW};
use chain::{
    Caller, Chain, ChainStep, ConnectVerdict, Defaults, Denial, Fault, FaultRules, Grant, Handshake, Hook, HookKind,
    HookResponse, Identity, Penalty, PendingCall, PublishVerdict, SubscribeVerdict,
};
use protocol::Content;

/// Takes the token for the user's name, and what follows a `/` for the token's `jti`; denies what is called `denied`, and writes down what it was asked.
#[derive(Clone)]
pub(super) struct Scripted(pub Log, pub HeldClock, pub Arc<InstanceGate>);

impl Scripted {
    /// Writes down that something was asked for a user, and takes the user's time.
    fn note(&self, user: Option<&str>, what: String) {
        if user.is_some_and(|user| user.starts_with("slow")) {
            *self.1.lock() += SLOW;
        }
        self.0.lock().push(what);
    }
}

/// A chain of such plugins.
pub(super) fn chain(hooks: impl IntoIterator<Item = Scripted>) -> Chain {
    let step = |hook| ChainStep {
        plugin: "scripted".into(),
        hooks: HookKind::ALL.into_iter().collect(),
        on_fault: FaultRules::default(),
        hook: Box::new(hook),
    };
    let defaults = Defaults {
        anonymous: true,
        allow: true,
        message_bytes: 65_536,
    };
    Chain::new(hooks.into_iter().map(step).collect(), defaults)
}

fn denial() -> Denial {
    Denial {
        code: 4403,
        reason: "no".into(),
        message: None,
        retry_after_ms: None,
        penalty: Penalty::None,
    }
}

fn ban() -> Denial {
    Denial {
        penalty: Penalty::Ban(Duration::from_mins(1)),
        ..denial()
    }
}

impl Hook for Scripted {
    fn pending(&mut self, hook: HookKind) -> Option<PendingCall> {
        self.2.pending(hook)
    }

    fn connect(&mut self, handshake: &Arc<Handshake>, _: &Arc<Caller>) -> Result<HookResponse<ConnectVerdict>, Fault> {
        self.2.check(HookKind::Connect)?;
        let header = |name| handshake.upgrade.headers.get(name).map_or("none", |value| &value[..1]);
        let what = format!(
            "connect {:?} refresh {} small {} large {}",
            handshake.token,
            handshake.is_refresh,
            header("small"),
            header("large"),
        );
        self.note(handshake.token.as_deref(), what);
        if handshake.token.as_deref() == Some("banned") {
            return Ok(ConnectVerdict::Deny(ban()).into());
        }
        let identity = |token: &String| {
            let (user, jti) = token.split_once('/').unwrap_or((token, ""));
            Identity {
                user: Some(user.into()),
                claims: format!("{{\"jti\":\"{jti}\"}}").into(),
                expires_ms: (user == "expired").then_some(1),
            }
        };
        let named = handshake.token.as_ref().map(identity);
        Ok(named.map_or(ConnectVerdict::Abstain, ConnectVerdict::Accept).into())
    }

    fn subscribe(&mut self, caller: &Arc<Caller>, channel: &str) -> Result<HookResponse<SubscribeVerdict>, Fault> {
        self.2.check(HookKind::Subscribe)?;
        self.note(caller.user().as_deref(), format!("subscribe {channel}"));
        if channel == "denied" {
            return Ok(SubscribeVerdict::Deny(denial()).into());
        }
        let grant = Grant {
            publish: true,
            presence: true,
            history: true,
            expires_ms: None,
        };
        Ok(SubscribeVerdict::Allow(grant).into())
    }

    fn publish(
        &mut self,
        caller: &Arc<Caller>,
        channel: &str,
        _: Content,
        _: &[u8],
    ) -> Result<HookResponse<PublishVerdict>, Fault> {
        self.2.check(HookKind::Publish)?;
        self.note(caller.user().as_deref(), format!("publish {channel}"));
        Ok(match channel {
            "denied" => PublishVerdict::Deny(denial()),
            "discarded" => PublishVerdict::Discard,
            "kicked" => PublishVerdict::Deny(Denial {
                penalty: Penalty::Disconnect,
                ..denial()
            }),
            "banned" => PublishVerdict::Deny(ban()),
            _ => PublishVerdict::Allow,
        }
        .into())
    }

    fn disconnect(&mut self, caller: &Arc<Caller>, code: u16) -> Result<(), Fault> {
        self.note(caller.user().as_deref(), format!("disconnect {code}"));
        Ok(())
    }

    fn judged(&mut self, _: HookKind, _: &Arc<Caller>, _: Result<(), &Fault>) {}

    fn evict_idle(&mut self, _: Instant) {}
}
