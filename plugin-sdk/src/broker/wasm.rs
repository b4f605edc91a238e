//! The broker as a component reaches it: the SDK's calls and types turned into the contract's. Decides
//! nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{ConnectVerdict, Denial, Identity, Penalty, PublishVerdict, SubscribeVerdict, bindings, kv, log};
use bindings::types as wire;

pub(crate) use wire::{Handshake, Session};

#[cfg(feature = "crypto")]
#[path = "wasm/crypto.rs"]
mod crypto;

#[cfg(feature = "crypto")]
pub(crate) use crypto::{Key, hmac_sha256, key_from_bytes, key_from_jwk, key_from_pem, sha256};

#[cfg(feature = "message")]
pub(crate) fn content() -> crate::message::Content {
    use bindings::draft_message::message::{DataKind, content};
    match content() {
        DataKind::Json => crate::message::Content::Json,
        DataKind::Binary => crate::message::Content::Binary,
    }
}

pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn log(level: log::Level, message: &str) {
    let level = match level {
        log::Level::Debug => bindings::log::Level::Debug,
        log::Level::Info => bindings::log::Level::Info,
        log::Level::Warn => bindings::log::Level::Warn,
        log::Level::Error => bindings::log::Level::Error,
    };
    bindings::log::write(level, message);
}

fn kv_error(error: bindings::kv::Error) -> kv::Error {
    match error {
        bindings::kv::Error::TooLarge => kv::Error::TooLarge,
        bindings::kv::Error::Full => kv::Error::Full,
        bindings::kv::Error::NotANumber => kv::Error::NotANumber,
        bindings::kv::Error::Unavailable => kv::Error::Unavailable,
    }
}

pub(crate) fn kv_get(key: &str) -> Result<Option<Vec<u8>>, kv::Error> {
    bindings::kv::get(key).map_err(kv_error)
}

pub(crate) fn kv_set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), kv::Error> {
    bindings::kv::set(key, value, ttl_ms).map_err(kv_error)
}

pub(crate) fn kv_delete(key: &str) -> Result<(), kv::Error> {
    bindings::kv::delete(key).map_err(kv_error)
}

pub(crate) fn kv_increment(key: &str, by: i64, ttl_ms: Option<u64>) -> Result<i64, kv::Error> {
    bindings::kv::increment(key, by, ttl_ms).map_err(kv_error)
}

pub(crate) fn limiter_take(key: &str, per_second: f64, burst: u32, cost: u32) -> Result<(), u64> {
    bindings::limiter::take(key, per_second, burst, cost)
}

pub(crate) fn tag(key: &str, value: &str) {
    bindings::effects::tag(key, value);
}

pub(crate) fn cache(ttl_ms: u32) {
    bindings::effects::cache(ttl_ms);
}

pub(crate) fn count(name: &str, by: u64) {
    bindings::metrics::count(name, by);
}

impl From<Identity> for wire::Identity {
    fn from(
        Identity {
            user,
            claims,
            expires_ms,
        }: Identity,
    ) -> Self {
        Self {
            user,
            claims,
            expires_ms,
        }
    }
}

impl From<Denial> for wire::Denial {
    fn from(
        Denial {
            code,
            reason,
            message,
            retry_after_ms,
            penalty,
        }: Denial,
    ) -> Self {
        let penalty = match penalty {
            Penalty::None => wire::Penalty::None,
            Penalty::Disconnect => wire::Penalty::Disconnect,
            Penalty::Ban(seconds) => wire::Penalty::Ban(seconds),
        };
        Self {
            code,
            reason,
            message,
            retry_after_ms,
            penalty,
        }
    }
}

impl From<ConnectVerdict> for wire::ConnectVerdict {
    fn from(verdict: ConnectVerdict) -> Self {
        match verdict {
            ConnectVerdict::Abstain => Self::Abstain,
            ConnectVerdict::Accept(identity) => Self::Accept(identity.into()),
            ConnectVerdict::Deny(denial) => Self::Deny(denial.into()),
        }
    }
}

impl From<SubscribeVerdict> for wire::SubscribeVerdict {
    fn from(verdict: SubscribeVerdict) -> Self {
        match verdict {
            SubscribeVerdict::Abstain => Self::Abstain,
            SubscribeVerdict::Allow(grant) => Self::Allow(wire::Grant {
                publish: grant.publish,
                presence: grant.presence,
                history: grant.history,
                expires_ms: grant.expires_ms,
            }),
            SubscribeVerdict::Deny(denial) => Self::Deny(denial.into()),
        }
    }
}

impl From<PublishVerdict> for wire::PublishVerdict {
    fn from(verdict: PublishVerdict) -> Self {
        match verdict {
            PublishVerdict::Abstain => Self::Abstain,
            PublishVerdict::Allow => Self::Allow,
            PublishVerdict::Replace(data) => Self::Replace(data),
            PublishVerdict::Discard => Self::Discard,
            PublishVerdict::Deny(denial) => Self::Deny(denial.into()),
        }
    }
}
