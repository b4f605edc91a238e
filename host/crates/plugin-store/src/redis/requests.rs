//! From requests to commands, and from answers to replies.

use std::sync::LazyLock;
use std::time::Duration;

use redis_client::{Cmd, Failure, Script, ScriptCall, Topology, Value};

use super::names::StoreNames;
use crate::limiter::BUCKETS;
use crate::shared::{LeaseTerms, StoreReply, StoreRequest};
use crate::{BYTES, KEYS, StoreId};

static SET: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("share.lua"), include_str!("set.lua"))));
static INCREMENT: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("share.lua"), include_str!("increment.lua"))));
static DELETE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("delete.lua")));
static LEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lease.lua")));

/// Before a value, so that it is never taken for a counter.
const VALUE: u8 = b'=';
/// Milliseconds from which on a time to live is none: thirty thousand years, which Redis can still count.
const FOR_EVER: u128 = 1_000_000_000_000_000;
/// A bucket that is not full again within this time is forgotten then.
const SLOW_BUCKET: Duration = Duration::from_hours(7 * 24);
/// A bucket that regains nothing is forgotten after this time.
const STILL_BUCKET: Duration = Duration::from_hours(24);

pub(super) enum StoreCommand {
    Plain(String, Cmd),
    Call(ScriptCall),
}

impl StoreCommand {
    /// What decides where it runs.
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Plain(key, _) => key.as_bytes(),
            Self::Call(call) => call.key(),
        }
    }

    pub(super) async fn run(&self, topology: &Topology) -> Result<Value, Failure> {
        match self {
            Self::Plain(key, command) => topology.run(key.as_bytes(), command).await,
            Self::Call(call) => topology.call(call).await,
        }
    }
}

/// What asks for this.
pub(super) fn command(names: &StoreNames, id: &StoreId, request: StoreRequest) -> StoreCommand {
    let keys = |key: &str| [names.value(id, key), names.value_ends(id), names.value_sizes(id)];
    match request {
        StoreRequest::Probe => get(names.value_ends(id), "EXISTS"),
        StoreRequest::Get(key) => get(names.value(id, &key), "GET"),
        // It would be over before it began.
        StoreRequest::Delete(key)
        | StoreRequest::Set {
            key,
            ttl: Some(Duration::ZERO),
            ..
        } => StoreCommand::Call(DELETE.call(keys(&key)).arg(key)),
        StoreRequest::Set { key, value, ttl } => {
            let mut marked = Vec::with_capacity(value.len() + 1);
            marked.push(VALUE);
            marked.extend_from_slice(&value);
            let size = key.len() + value.len();
            let call = SET.call(keys(&key)).arg(key).arg(marked);
            StoreCommand::Call(call.arg(millis(ttl)).arg(size).arg(KEYS).arg(BYTES))
        }
        StoreRequest::Increment { key, by, ttl } => {
            let size = key.len() + size_of::<i64>();
            let call = INCREMENT.call(keys(&key)).arg(key).arg(by);
            StoreCommand::Call(call.arg(millis(ttl)).arg(size).arg(KEYS).arg(BYTES))
        }
        StoreRequest::Lease { key, terms } => lease(names.buckets(id, &key), &key, &terms),
    }
}

fn get(key: String, command: &str) -> StoreCommand {
    let mut command = redis_client::cmd(command);
    command.arg(&key);
    StoreCommand::Plain(key, command)
}

fn lease(buckets: [String; 2], bucket: &str, terms: &LeaseTerms) -> StoreCommand {
    let call = LEASE.call(buckets).arg(bucket).arg(terms.per_second).arg(terms.burst);
    let call = call.arg(terms.settle).arg(terms.need).arg(terms.want).arg(BUCKETS);
    StoreCommand::Call(call.arg(millis(Some(SLOW_BUCKET))).arg(millis(Some(STILL_BUCKET))))
}

/// For scripts: '' is for ever.
fn millis(ttl: Option<Duration>) -> String {
    ttl.map(|ttl| ttl.as_millis())
        .filter(|millis| *millis < FOR_EVER)
        .map_or_else(String::new, |millis| millis.to_string())
}

/// What was answered; none, if it is nothing that is asked for here.
pub(super) fn read(answer: Value) -> Option<StoreReply> {
    match answer {
        Value::Nil => Some(StoreReply::Value(None)),
        // A number is the answer to the probe.
        Value::Okay | Value::Int(_) => Some(StoreReply::Done),
        Value::SimpleString(word) => match word.as_str() {
            "FULL" => Some(StoreReply::Full),
            "NAN" => Some(StoreReply::NotANumber),
            _ => None,
        },
        Value::BulkString(mut value) => {
            if value.first() == Some(&VALUE) {
                value.remove(0);
            }
            Some(StoreReply::Value(Some(value)))
        }
        Value::Array(answer) => match answer.as_slice() {
            [number] => Some(StoreReply::Number(read_number(number)?)),
            [given, rest] => Some(StoreReply::Lease {
                given: read_number(given)?,
                rest: read_number(rest)?,
            }),
            _ => None,
        },
        _ => None,
    }
}

fn read_number<N: std::str::FromStr>(value: &Value) -> Option<N> {
    let Value::BulkString(text) = value else { return None };
    std::str::from_utf8(text).ok()?.parse().ok()
}
