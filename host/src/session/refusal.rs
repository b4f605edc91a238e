//! Why a request was refused, whoever refused it, as the client will see it.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Ending, Session};
use crate::backplane::Unavailable;
use crate::chain::{Denied, Penalty};
use crate::observe::LogThrottle;
use crate::protocol::codes::{self, ErrorCode};
use crate::protocol::write::ErrorReply;
use crate::registry::{AdmissionError, BanOrder};
use crate::shard::{Control, Whom};

/// A refused request.
#[derive(Debug)]
pub(super) struct Refusal {
    pub code: u16,
    reason: Cow<'static, str>,
    message: Cow<'static, str>,
    retry: bool,
    retry_after_ms: Option<u64>,
    plugin: Option<Arc<str>>,
    penalty: Penalty,
    /// Whom a ban means, if not whom the session is.
    user: Option<Arc<str>>,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: code.number,
            reason: code.reason.into(),
            message: message.into(),
            retry: code.retry,
            retry_after_ms: None,
            plugin: None,
            penalty: Penalty::None,
            user: None,
        }
    }

    pub fn retry_after(code: ErrorCode, message: &'static str, retry_after_ms: u64) -> Self {
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(code, message)
        }
    }

    pub fn not_subscribed() -> Self {
        Self::new(codes::NOT_SUBSCRIBED, "this connection does not listen to the channel")
    }

    pub fn reply(&self) -> ErrorReply<'_> {
        ErrorReply {
            code: self.code,
            reason: &self.reason,
            message: &self.message,
            retry: self.retry,
            retry_after_ms: self.retry_after_ms,
            plugin: self.plugin.as_deref(),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self {
            code: denied.code,
            reason: denied.reason,
            message: denied.message,
            retry: codes::retry(denied.code),
            retry_after_ms: denied.retry_after_ms,
            plugin: denied.plugin,
            penalty: denied.penalty,
            user: denied.user,
        }
    }
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        static LOG: LogThrottle = LogThrottle::new();
        if let Some(others) = LOG.allow() {
            tracing::warn!(%unavailable, others, "a request was refused");
        }
        Self::new(
            codes::BACKPLANE_UNAVAILABLE,
            "the broker cannot do this now; try again in a moment",
        )
    }
}

impl From<AdmissionError> for Refusal {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Limit(limit) => Self::new(codes::LIMIT_EXCEEDED, limit.to_string()),
            AdmissionError::Banned(left) => {
                let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                Self::retry_after(codes::USER_BANNED, "this user is refused for now", left)
            }
        }
    }
}

impl Session {
    /// What a refusal does to the client besides refusing.
    pub(super) fn penalise(&self, refusal: &Refusal) -> Option<Ending> {
        match refusal.penalty {
            Penalty::None => None,
            Penalty::Disconnect => {
                let own = codes::plugin_close(refusal.code);
                Some(Ending::close(own.unwrap_or(codes::KICKED)))
            }
            Penalty::Ban(length) => {
                if let Some(user) = self.caller.user().or_else(|| refusal.user.clone()) {
                    let tenant = &self.caller.tenant;
                    tracing::info!(%tenant, %user, ?length, plugin = ?refusal.plugin, "a plugin banned a user");
                    let order = self.shard.common.registry.ban(tenant, &user, length);
                    self.kick_everywhere(&user);
                    self.send_to_other_nodes(order);
                }
                Some(Ending::close(codes::BANNED))
            }
        }
    }

    /// A ban ends all of the user's connections, on whatever shard they are.
    fn kick_everywhere(&self, user: &Arc<str>) {
        for control in &self.shard.common.controls {
            let kick = Control::CutOff {
                tenant: self.caller.tenant.clone(),
                whom: Whom::User(user.clone()),
                code: codes::BANNED,
                done: None,
            };
            if control.try_send(kick).is_err() {
                // The ban holds all the same: it refuses the next connect, and the next publish is denied again.
                tracing::warn!(%user, "a shard was too busy to end a banned user's other connections");
            }
        }
    }

    fn send_to_other_nodes(&self, order: BanOrder) {
        let Some(bans) = &self.shard.common.bans else {
            return;
        };
        if bans.try_send(order).is_err() {
            tracing::error!("a plugin's ban holds on this node only: too many wait for the other nodes to be told");
        }
    }
}
