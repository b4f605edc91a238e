//! From questions to commands, and from answers back.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{Cmd, Value};

use crate::backplane::Unavailable;
use crate::backplane::redis::names::Names;
use crate::backplane::redis::script::{Call, Script};
use crate::backplane::redis::servers::Servers;
use plugin_store::StoreId;
use plugin_store::shared::{LeaseTerms, StoreReply, StoreRequest};
use plugin_store::{BYTES, KEYS};

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

/// What is sent.
pub(super) enum Asked {
    Command(String, Cmd),
    Call(Call),
}

impl Asked {
    /// What decides where it runs.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Command(key, _) => key.as_bytes(),
            Self::Call(call) => call.key(),
        }
    }

    pub async fn run(&self, servers: &Servers) -> Result<Value, Unavailable> {
        match self {
            Self::Command(key, command) => servers.run(key.as_bytes(), command).await,
            Self::Call(call) => servers.call(call).await,
        }
    }
}

/// What asks this.
pub(super) fn ask(names: &Names, place: &StoreId, question: StoreRequest) -> Asked {
    let keys = |key: &str| {
        [
            names.value(place, key),
            names.value_ends(place),
            names.value_sizes(place),
        ]
    };
    match question {
        StoreRequest::Probe => get(names.value_ends(place), "EXISTS"),
        StoreRequest::Get(key) => get(names.value(place, &key), "GET"),
        // It would be over before it began.
        StoreRequest::Delete(key)
        | StoreRequest::Set {
            key,
            ttl: Some(Duration::ZERO),
            ..
        } => Asked::Call(DELETE.call(keys(&key)).arg(key)),
        StoreRequest::Set { key, value, ttl } => {
            let mut marked = Vec::with_capacity(value.len() + 1);
            marked.push(VALUE);
            marked.extend_from_slice(&value);
            let size = key.len() + value.len();
            let call = SET.call(keys(&key)).arg(key).arg(marked);
            Asked::Call(call.arg(millis(ttl)).arg(size).arg(KEYS).arg(BYTES))
        }
        StoreRequest::Increment { key, by, ttl } => {
            let size = key.len() + size_of::<i64>();
            let call = INCREMENT.call(keys(&key)).arg(key).arg(by);
            Asked::Call(call.arg(millis(ttl)).arg(size).arg(KEYS).arg(BYTES))
        }
        StoreRequest::Lease { key, terms } => lease(names.bucket(place, &key), &terms),
    }
}

fn get(key: String, command: &str) -> Asked {
    let mut command = redis::cmd(command);
    command.arg(&key);
    Asked::Command(key, command)
}

fn lease(bucket: String, terms: &LeaseTerms) -> Asked {
    let call = LEASE.call([bucket]).arg(terms.per_second).arg(terms.burst);
    Asked::Call(call.arg(terms.settle).arg(terms.need).arg(terms.want))
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
