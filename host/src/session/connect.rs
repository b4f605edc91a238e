//! `connect`: who is it, may it be, is there room; then the channels it wants in the same breath.

use std::sync::Arc;

use super::refusal::Refusal;
use super::seated::Seated;
use super::subscribe::Joined;
use super::{Ending, Session};
use crate::chain::{Handshake, Identity};
use crate::protocol::write::{self, Welcome};
use crate::protocol::{Connect, RequestId, codes};
use crate::registry::AdmissionRequest;
use crate::wall_clock::now_ms;

impl Session {
    pub(super) async fn connect(&mut self, id: &RequestId, request: Connect) -> Option<Ending> {
        let Connect {
            token,
            client_name,
            subscribe,
            data,
        } = request;
        let mut handshake = Handshake::clone(&self.handshake);
        handshake.token = token.or(handshake.token);
        handshake.client_name = client_name;
        handshake.data = data;
        if let Err(refusal) = self.admit(handshake).await {
            let penalty = self.refuse(id, &refusal);
            return Some(penalty.unwrap_or_else(|| Ending::close(codes::close_after_refused_connect(refusal.code))));
        }
        let named_channels = !subscribe.is_empty();
        let mut outcomes = Vec::with_capacity(subscribe.len());
        for request in &subscribe {
            outcomes.push(self.join(request).await);
        }
        let mut payloads = Vec::with_capacity(subscribe.len());
        let mut joined: Vec<Joined> = Vec::with_capacity(subscribe.len());
        let mut penalty = None;
        for (request, outcome) in subscribe.iter().zip(outcomes) {
            // While it waited for one, the operator may have taken another away.
            match outcome.and_then(|one| self.still_granted(one)) {
                Ok(one) => {
                    payloads.push(one.payload.clone());
                    joined.push(one);
                }
                Err(refusal) => {
                    payloads.push(write::refused_subscription(request.channel.as_str(), &refusal.reply()));
                    penalty = penalty.or_else(|| self.penalise(&refusal));
                }
            }
        }
        self.welcome(id, named_channels.then_some(&payloads));
        for one in &joined {
            self.release(one);
        }
        penalty
    }

    /// Asks who it is and whether there is room.
    async fn admit(&mut self, handshake: Handshake) -> Result<(), Refusal> {
        let handshake = Arc::new(handshake);
        let identity = self.tenant.chain().connect(&handshake, &self.caller)?;
        check_expiry(&identity)?;
        let request = AdmissionRequest {
            tenant: self.caller.tenant.clone(),
            user: identity.user.clone(),
            session: self.caller.session.clone(),
            transport: "websocket",
        };
        let tenant = self.tenant.settings();
        let seat = self.shard.common.registry.admit(request, &tenant.limits).await?;
        self.seat = Some(Seated::new(seat, self.tenant.clone()));
        self.shard.seat(self.line.id, identity.user.clone());
        // A ban from now on finds the line; one that came while the place was taken did not.
        self.shard
            .common
            .registry
            .check_ban(&self.caller.tenant, identity.user.as_ref())?;
        self.clock.connected();
        self.clock.expire_at(identity.expires_ms);
        self.caller.identify(identity);
        self.forget_token();
        self.set_alarm();
        Ok(())
    }

    /// The token has done its work, and nothing that is kept may leak it.
    fn forget_token(&mut self) {
        if self.handshake.token.is_some() {
            let mut handshake = Handshake::clone(&self.handshake);
            handshake.token = None;
            self.handshake = Arc::new(handshake);
        }
    }

    fn welcome(&self, id: &RequestId, subscriptions: Option<&Vec<write::Subscription>>) {
        let identity = self.caller.identity();
        let limits = &self.tenant.settings().limits;
        let common = &self.shard.common;
        let welcome = Welcome {
            session: &self.caller.session,
            node: &common.node,
            user: identity.user.as_deref(),
            ping_ms: u64::try_from(common.ping.as_millis()).unwrap_or(u64::MAX),
            expires_at: identity.expires_ms,
            message_bytes: limits.message_bytes as u64,
            channels: limits.channels_per_connection as u64,
            publish_per_second: limits.publish_per_second.map(u64::from),
            subscriptions: subscriptions.map(Vec::as_slice),
        };
        self.send(&write::welcome(id, now_ms(), &welcome));
    }
}

/// An identity that has run out is none.
pub(super) fn check_expiry(identity: &Identity) -> Result<(), Refusal> {
    match identity.expires_ms {
        Some(at) if at <= now_ms() => Err(Refusal::new(codes::TOKEN_EXPIRED, "the token has expired")),
        _ => Ok(()),
    }
}
