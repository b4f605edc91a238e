//! Refusals of requests, by plugins and by the broker, in the form that clients see.

use std::borrow::Cow;
use std::sync::Arc;

use crate::observe::LogThrottle;
use backplane::{Rejection, Unavailable};
use chain::{Denied, Penalty};
use protocol::codes::{self, ErrorCode};
use protocol::write::ErrorReply;
use registry::AdmissionError;

#[derive(Debug)]
pub(super) struct Refusal {
    pub code: u16,
    reason: Cow<'static, str>,
    message: Cow<'static, str>,
    retry: bool,
    pub retry_after_ms: Option<u64>,
    pub plugin: Option<Arc<str>>,
    pub penalty: Penalty,
    /// The user to ban, where the session has none yet.
    pub user: Option<Arc<str>>,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
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

    pub(super) fn retry_after(code: ErrorCode, message: &'static str, retry_after_ms: u64) -> Self {
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(code, message)
        }
    }

    pub(super) fn not_subscribed() -> Self {
        Self::new(codes::NOT_SUBSCRIBED, "this connection does not listen to the channel")
    }

    pub(super) fn reply(&self) -> ErrorReply<'_> {
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

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Limit(limit) => Self::new(codes::LIMIT_EXCEEDED, limit.to_string()),
            Rejection::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<AdmissionError> for Refusal {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Limit(limit) => Self::new(codes::LIMIT_EXCEEDED, limit.to_string()),
            AdmissionError::Banned(left) => {
                let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                Self::retry_after(codes::USER_BANNED, "this user or address is refused for now", left)
            }
            AdmissionError::Revoked => Self::new(codes::NOT_AUTHENTICATED, "the token is revoked; get a new one"),
        }
    }
}
