//! How verdicts add up to a decision: what a refusal becomes for the client, what rights a subscriber has, what a
//! replaced message must be.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::hook::Fault;
use super::verdict::{Denial, Grant, Penalty};
use protocol::{Content, codes};

/// What the tenant's `default = "allow"` grants a subscriber.
pub(super) const EVERYTHING: Grant = Grant {
    publish: true,
    presence: true,
    history: true,
    expires_ms: None,
};

/// A refusal, ready for the client. The cause of a fault is in the log, not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// An error code of the protocol, or the plugin's own.
    pub code: u16,
    pub reason: Cow<'static, str>,
    pub message: Cow<'static, str>,
    /// When trying again makes sense.
    pub retry_after_ms: Option<u64>,
    /// The plugin that refused; none where no plugin was asked or the default decided.
    pub plugin: Option<Arc<str>>,
    /// What else happens to the client.
    pub penalty: Penalty,
    /// Who was refused, as far as the chain knew: on connect, whom an earlier plugin had named.
    pub user: Option<Arc<str>>,
}

impl Denied {
    pub(super) fn by(plugin: &Arc<str>, denial: Denial) -> Self {
        Self {
            code: denial.code,
            reason: denial.reason.into(),
            message: denial
                .message
                .map_or_else(|| codes::words(denial.code).into(), Cow::Owned),
            retry_after_ms: denial.retry_after_ms,
            plugin: Some(plugin.clone()),
            penalty: denial.penalty,
            user: None,
        }
    }

    pub(super) fn of(self, user: Option<Arc<str>>) -> Self {
        Self { user, ..self }
    }

    pub(super) fn fault(plugin: &Arc<str>, fault: &Fault) -> Self {
        tracing::debug!(%plugin, %fault, "a fault refused the request");
        let retry_after = match fault {
            Fault::Suspended(left) => u64::try_from(left.as_millis()).ok(),
            _ => None,
        };
        Self {
            plugin: Some(plugin.clone()),
            retry_after_ms: retry_after,
            ..Self::own(codes::PLUGIN_FAULT, "a plugin could not answer; try again in a moment")
        }
    }

    pub(super) fn grown(plugin: &Arc<str>, bytes: usize, message_bytes: usize) -> Self {
        let message = format!(
            "rules make {bytes} bytes of this message, and {message_bytes} are allowed (limits.message_bytes); send less"
        );
        Self {
            plugin: Some(plugin.clone()),
            message: message.into(),
            ..Self::own(codes::TOO_LARGE, "")
        }
    }

    pub(super) fn not_authenticated() -> Self {
        Self::own(
            codes::NOT_AUTHENTICATED,
            "connect with a token: this tenant takes no anonymous connections",
        )
    }

    pub(super) fn nobody_allowed() -> Self {
        Self::own(codes::PERMISSION_DENIED, "no rule allows this")
    }

    fn own(code: codes::ErrorCode, message: &'static str) -> Self {
        Self {
            code: code.number,
            reason: code.reason.into(),
            message: message.into(),
            retry_after_ms: None,
            plugin: None,
            penalty: Penalty::None,
            user: None,
        }
    }
}

/// Any allow is enough, so rights add up; the first expiry ends them all.
pub(super) fn union(a: Grant, b: Grant) -> Grant {
    Grant {
        publish: a.publish || b.publish,
        presence: a.presence || b.presence,
        history: a.history || b.history,
        expires_ms: match (a.expires_ms, b.expires_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        },
    }
}

/// A later value for a key wins, in the key of the first.
pub(super) fn set_tag(tags: &mut Vec<(String, String)>, key: String, value: String) {
    match tags.iter_mut().find(|(k, _)| *k == key) {
        Some((_, old)) => *old = value,
        None => tags.push((key, value)),
    }
}

/// What became of a message that a plugin replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    /// It goes on as this.
    Fits(Bytes),
    /// It grew to so many bytes, which are too many. What makes a plugin's rule grow a message is the message, so this
    /// is for its client to hear and no fault: a fault costs an instance, and others their answers.
    TooLarge(usize),
}

/// A message stays what it is and stays within its size, whatever a plugin makes of it.
pub(super) fn check_replaced(
    data: &Bytes,
    content: Content,
    takes_bytes: bool,
    message_bytes: usize,
) -> Result<Replaced, Fault> {
    let data = if content == Content::Binary && !takes_bytes {
        let bytes = protocol::read_base64_json(data);
        bytes
            .map_err(|_| Fault::BadOutput("replaced bytes by what is no JSON string in base64".into()))?
            .into()
    } else {
        data.clone()
    };
    if data.len() > message_bytes {
        return Ok(Replaced::TooLarge(data.len()));
    }
    if content == Content::Json {
        let text = std::str::from_utf8(&data)
            .map_err(|e| Fault::BadOutput(format!("replaced a message by bad UTF-8: {e}")))?;
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|e| Fault::BadOutput(format!("replaced a message by bad JSON: {e}")))?;
    }
    Ok(Replaced::Fits(data))
}
