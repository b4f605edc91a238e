//! The answers of the scripts as values.

use redis_client::{Failure, Value, from_redis_value};

use crate::entry::{PushedTenant, TenantVersion};
use crate::{ChangeRefused, StoreChanges, StoreLimits, StoreMark, StoreUnavailable};

pub(super) fn not_of_redis() -> Failure {
    Failure::Refused("Redis has something else under the keys of pushed tenants".into())
}

/// The answer to `TIME`, in microseconds.
pub(super) fn microseconds(answer: &Value) -> Option<u64> {
    match list(answer)? {
        [seconds, rest] => Some(number(seconds)? * 1_000_000 + number(rest)?),
        _ => None,
    }
}

/// The answer of `change.lua`.
pub(super) fn change(answer: &Value, limits: StoreLimits) -> Option<Result<TenantVersion, ChangeRefused>> {
    let (word, rest) = list(answer)?.split_first()?;
    Some(match (text(word)?, rest) {
        ("done", [version]) => Ok(text(version)?.parse().ok()?),
        ("other", [present]) => Err(ChangeRefused::OtherVersion {
            present: text(present)?.parse().ok(),
        }),
        ("absent", []) => Err(ChangeRefused::Absent),
        ("claimed", [claim, owner]) => Err(ChangeRefused::Claimed {
            claim: text(claim)?.to_owned(),
            owner: text(owner)?.to_owned(),
        }),
        ("many", []) => Err(ChangeRefused::TooMany(limits.tenants)),
        ("large", []) => Err(ChangeRefused::TooLarge(limits.bytes)),
        ("late", []) => Err(StoreUnavailable("Redis took too long, and nothing was changed".into()).into()),
        _ => return None,
    })
}

/// The answer of `changes.lua`.
pub(super) fn page(answer: &Value) -> Option<StoreChanges> {
    let fields = list(answer)?;
    let [run, revision, more, from_the_beginning, entries @ ..] = fields else {
        return fields.is_empty().then_some(StoreChanges::OtherRun);
    };
    let tenants = entries
        .chunks_exact(2)
        .map(|pair| PushedTenant::read(text(&pair[0])?, text(&pair[1])?));
    Some(StoreChanges::Page {
        tenants: tenants.collect::<Option<_>>()?,
        mark: StoreMark {
            run: text(run)?.to_owned(),
            revision: number(revision)?,
        },
        more: is_one(more),
        from_the_beginning: is_one(from_the_beginning),
    })
}

/// What `HGET` found of a tenant that was not deleted.
pub(super) fn tenant(name: &str, answer: &Value) -> Result<Option<PushedTenant>, Failure> {
    if *answer == Value::Nil {
        return Ok(None);
    }
    let tenant = text(answer).and_then(|entry| PushedTenant::read(name, entry));
    let tenant = tenant.ok_or_else(not_of_redis)?;
    Ok(tenant.file.is_some().then_some(tenant))
}

pub(super) fn numbers(answer: &Value) -> Option<Vec<usize>> {
    list(answer)?
        .iter()
        .map(|number| from_redis_value(number.clone()).ok())
        .collect()
}

pub(super) fn is_one(answer: &Value) -> bool {
    *answer == Value::Int(1)
}

fn list(answer: &Value) -> Option<&[Value]> {
    match answer {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    text(value)?.parse().ok()
}
