//! `[backplane]`: what joins nodes into one broker.

use std::time::Duration;

use super::number::Number;
use super::redis_url::RedisUrl;
use super::section::{Section, Value};

const URL: &str = "redis://127.0.0.1:6379/0";
const PREFIX: &str = "sg";
/// Bytes of a prefix at most: it stands before every key.
const PREFIX_BYTES: usize = 64;

const TIMEOUT: Number = Number {
    default: 1000,
    min: 50,
    max: 60_000,
    unit: "milliseconds",
};
const POSITION_CHECK: Number = Number {
    default: 30,
    min: 1,
    max: 3600,
    unit: "seconds",
};
const REPLICAS: Number = Number {
    default: 0,
    min: 0,
    max: 5,
    unit: "replicas",
};

const PARTITIONS: Number = Number {
    default: 256,
    min: 1,
    max: 4096,
    unit: "partitions",
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackplaneKind {
    #[default]
    Memory,
    /// Redis joins the nodes that have the same server and prefix.
    Redis(RedisSettings),
}

/// How Redis is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    pub url: RedisUrl,
    /// What every key and channel begins with.
    pub prefix: String,
    /// How long a command may take before it fails.
    pub timeout: Duration,
    /// How long a subscribed channel may be quiet until its place in the history is checked.
    pub position_check: Duration,
    /// Replicas that must have a publish before it is acknowledged.
    pub replicas: u32,
    /// Partitions that channels are divided into: the same number on all nodes of a prefix, for ever.
    pub partitions: u16,
}

pub(super) fn read(mut section: Section<'_>) -> BackplaneKind {
    let redis = section
        .value("kind")
        .and_then(|value| value.word(&[("memory", false), ("redis", true)]));
    // Read for both kinds, so that turning Redis off and on again is one word, and typos show early.
    let url = section.value("url").and_then(|value| url(&value));
    let prefix = section
        .value("prefix")
        .and_then(|value| prefix(&value).map(str::to_owned));
    let timeout = section.millis("timeout_ms", &TIMEOUT);
    let position_check = section.seconds("position_check_seconds", &POSITION_CHECK);
    let replicas = section.number("replicas", &REPLICAS);
    let partitions = section.number("partitions", &PARTITIONS);
    section.finish();
    if redis != Some(true) {
        return BackplaneKind::Memory;
    }
    BackplaneKind::Redis(RedisSettings {
        url: url.unwrap_or_else(|| RedisUrl::parse(URL).expect("it is one")),
        prefix: prefix.unwrap_or_else(|| PREFIX.to_owned()),
        timeout,
        position_check,
        replicas: u32::try_from(replicas).expect("within its bounds"),
        partitions: u16::try_from(partitions).expect("within its bounds"),
    })
}

fn url(value: &Value<'_>) -> Option<RedisUrl> {
    // The text stays out of the message: it may hold a password.
    RedisUrl::parse(value.text()?)
        .map_err(|wrong| value.problem(wrong, format!("write it like {URL:?}")))
        .ok()
}

fn prefix<'a>(value: &Value<'a>) -> Option<&'a str> {
    let text = value.text()?;
    // No braces: Redis Cluster would take what is between them for the whole of a key.
    let good = (1..=PREFIX_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b));
    if !good {
        value.problem(
            format!("{text:?} is not a prefix"),
            "use 1 to 64 of a-z, A-Z, 0-9, _, -, . and :",
        );
    }
    good.then_some(text)
}
