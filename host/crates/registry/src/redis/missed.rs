//! What a renewal tells of the token of a session: the order that revokes it, of which the session's node did not hear.

use std::time::{Duration, Instant};

use redis_client::Value;

use crate::admission::AdmissionRequest;
use crate::ban_order::{BanChange, BanOrder};
use crate::ban_subject::BanSubject;
use crate::stamp::OrderStamp;

/// Reads the answer of `renew.lua`.
pub(super) fn missed_order(request: &AdmissionRequest, answer: &Value) -> Option<BanOrder> {
    let Value::Array(fields) = answer else { return None };
    let [Value::Int(number), Value::Int(left), time_ms, sequence, instance] = fields.as_slice() else {
        return None;
    };
    let subject = match number {
        4 => BanSubject::Token(request.token.jti.clone()?),
        _ => BanSubject::TokensOf(request.user.clone()?),
    };
    Some(BanOrder {
        tenant: request.tenant.clone(),
        subject,
        stamp: OrderStamp {
            time_ms: text(time_ms)?.parse().ok()?,
            sequence: text(sequence)?.parse().ok()?,
            instance: text(instance)?.into(),
        },
        change: BanChange::Replace(Duration::from_millis(u64::try_from(*left).ok()?)),
        given: Instant::now(),
    })
}

/// A text of an answer.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
