//! Verdicts from the guest, checked against what `types.wit` says of them.

use std::time::Duration;

use serde_json::{Map, Value};
use sluicegate_contract::codes;
use sluicegate_contract::limits::{CLAIMS_BYTES, DENIAL_MESSAGE_BYTES, DENIAL_REASON_BYTES, USER_BYTES};

use super::bindings::sluicegate::plugin::types;
use crate::fault::Misuse;
use chain::{ConnectVerdict, Denial, Grant, Identity, Penalty, PublishVerdict, SubscribeVerdict};

pub(super) fn connect(verdict: types::ConnectVerdict) -> Result<ConnectVerdict, Misuse> {
    Ok(match verdict {
        types::ConnectVerdict::Abstain => ConnectVerdict::Abstain,
        types::ConnectVerdict::Accept(identity) => ConnectVerdict::Accept(self::identity(identity)?),
        types::ConnectVerdict::Deny(denial) => ConnectVerdict::Deny(self::denial(denial)?),
    })
}

pub(super) fn subscribe(verdict: types::SubscribeVerdict) -> Result<SubscribeVerdict, Misuse> {
    Ok(match verdict {
        types::SubscribeVerdict::Abstain => SubscribeVerdict::Abstain,
        types::SubscribeVerdict::Allow(grant) => SubscribeVerdict::Allow(Grant {
            publish: grant.publish,
            presence: grant.presence,
            history: grant.history,
            expires_ms: grant.expires_ms,
        }),
        types::SubscribeVerdict::Deny(denial) => SubscribeVerdict::Deny(self::denial(denial)?),
    })
}

pub(super) fn publish(verdict: types::PublishVerdict) -> Result<PublishVerdict, Misuse> {
    Ok(match verdict {
        types::PublishVerdict::Abstain => PublishVerdict::Abstain,
        types::PublishVerdict::Allow => PublishVerdict::Allow,
        types::PublishVerdict::Replace(data) => PublishVerdict::Replace(data.into()),
        types::PublishVerdict::Discard => PublishVerdict::Discard,
        types::PublishVerdict::Deny(denial) => PublishVerdict::Deny(self::denial(denial)?),
    })
}

fn identity(identity: types::Identity) -> Result<Identity, Misuse> {
    if let Some(user) = &identity.user {
        let found = user.len();
        if found == 0 || found > USER_BYTES {
            return Err(Misuse::new(format!("a user has 1 to {USER_BYTES} bytes, not {found}")));
        }
        if user.chars().any(char::is_control) {
            return Err(Misuse::new("a control character in a user"));
        }
    }
    Ok(Identity {
        user: identity.user.map(Into::into),
        claims: claims(&identity.claims)?.into(),
        expires_ms: identity.expires_ms,
    })
}

fn claims(claims: &str) -> Result<&str, Misuse> {
    if claims.is_empty() {
        return Ok("{}");
    }
    if claims.len() > CLAIMS_BYTES {
        let found = claims.len();
        return Err(Misuse::new(format!(
            "claims have at most {CLAIMS_BYTES} bytes, not {found}"
        )));
    }
    match serde_json::from_str::<Map<String, Value>>(claims) {
        Ok(_) => Ok(claims),
        Err(error) => Err(Misuse::new(format!("claims that are no JSON object: {error}"))),
    }
}

fn denial(denial: types::Denial) -> Result<Denial, Misuse> {
    let penalty = match denial.penalty {
        types::Penalty::None => Penalty::None,
        types::Penalty::Disconnect => Penalty::Disconnect,
        types::Penalty::Ban(seconds) => Penalty::Ban(Duration::from_secs(seconds.into())),
    };
    if !codes::is_denial(denial.code, penalty == Penalty::Disconnect) {
        return Err(Misuse::new(format!(
            "the denial code {}, which a plugin may not use so",
            denial.code
        )));
    }
    if !codes::is_reason(&denial.reason) {
        return Err(Misuse::new(format!(
            "a denial whose reason is no snake_case_word of 1 to {DENIAL_REASON_BYTES} bytes: {:?}",
            denial.reason.chars().take(DENIAL_REASON_BYTES).collect::<String>()
        )));
    }
    if let Some(message) = &denial.message
        && (message.len() > DENIAL_MESSAGE_BYTES || message.chars().any(char::is_control))
    {
        return Err(Misuse::new(format!(
            "a denial's message has at most {DENIAL_MESSAGE_BYTES} bytes and no control characters"
        )));
    }
    Ok(Denial {
        code: denial.code,
        reason: denial.reason,
        message: denial.message,
        retry_after_ms: denial.retry_after_ms,
        penalty,
    })
}

#[cfg(test)]
mod tests;
