//! Verdicts from the guest, checked against what `types.wit` says of them.

use std::time::Duration;

use sluicegate_contract::verdict;

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
        verdict::check_user(user).map_err(|wrong| Misuse::new(format!("a user {wrong}")))?;
    }
    Ok(Identity {
        user: identity.user.map(Into::into),
        claims: claims(&identity.claims)?.into(),
        expires_ms: identity.expires_ms,
    })
}

fn claims(claims: &str) -> Result<&str, Misuse> {
    verdict::check_claims(claims).map_err(|wrong| Misuse::new(format!("claims {wrong}")))?;
    Ok(if claims.is_empty() { "{}" } else { claims })
}

fn denial(denial: types::Denial) -> Result<Denial, Misuse> {
    let penalty = match denial.penalty {
        types::Penalty::None => Penalty::None,
        types::Penalty::Disconnect => Penalty::Disconnect,
        types::Penalty::Ban(seconds) => Penalty::Ban(Duration::from_secs(seconds.into())),
    };
    let disconnects = penalty == Penalty::Disconnect;
    verdict::check_denial(denial.code, &denial.reason, denial.message.as_deref(), disconnects).map_err(Misuse::new)?;
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
