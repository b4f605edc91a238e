//! `[[tenants.channels]]`: what channels keep, and what their subscribers are sent.

use std::sync::Arc;
use std::time::Duration;

use sluicegate_contract::channel::Pattern;

use super::number::Number;
use super::section::{Section, Value};
use protocol::Content;

const HISTORY_SIZE: Number = Number {
    min: 1,
    max: 100_000,
    default: 100,
    unit: "messages",
};
const HISTORY_TTL: Number = Number {
    min: 1,
    max: 31_536_000,
    default: 300,
    unit: "seconds",
};
const IDEMPOTENCY: Number = Number {
    min: 1,
    max: 86_400,
    default: 120,
    unit: "seconds",
};

/// Settings for the channels that a pattern fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRule {
    pub pattern: Pattern,
    /// What they are like.
    pub settings: Arc<ChannelSettings>,
}

/// What a channel keeps, and what its subscribers are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSettings {
    /// What is kept for those who come back; none keeps nothing.
    pub history: Option<History>,
    /// Whether who is present may be asked.
    pub presence: bool,
    /// Whether joins and leaves are pushed to subscribers.
    pub join_leave: bool,
    /// What a full outbox means.
    pub overflow: Overflow,
    /// What the data of its messages is.
    pub content: Content,
    /// How long a publish's `key` is remembered.
    pub idempotency: Duration,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            history: None,
            presence: false,
            join_leave: false,
            overflow: Overflow::default(),
            content: Content::default(),
            idempotency: Duration::from_secs(IDEMPOTENCY.default),
        }
    }
}

/// What a channel keeps: a message goes when either bound says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Messages at most, at least 1.
    pub size: usize,
    /// Of each message.
    pub ttl: Duration,
}

/// What happens to a receiver that does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Its connection is closed with 4001; it may come back and resume.
    #[default]
    Disconnect,
    /// The newest message is dropped for it.
    Drop,
    /// Only the newest message of the channel is kept for it.
    Conflate,
}

pub(super) fn read(items: &[Value<'_>]) -> Vec<ChannelRule> {
    items.iter().filter_map(|item| rule(item.section())).collect()
}

fn rule(mut section: Section<'_>) -> Option<ChannelRule> {
    let pattern = section.need("match").and_then(|value| pattern(&value));
    section.default("overflow", "disconnect");
    section.default("content", "json");
    let history = section.value("history").map(|value| history(value.section()));
    let settings = ChannelSettings {
        history,
        presence: section.flag("presence", false),
        join_leave: section.flag("join_leave", false),
        overflow: section
            .value("overflow")
            .and_then(|value| overflow(&value))
            .unwrap_or_default(),
        content: section
            .value("content")
            .and_then(|value| content(&value))
            .unwrap_or_default(),
        idempotency: section.seconds("idempotency_seconds", &IDEMPOTENCY),
    };
    section.finish();
    Some(ChannelRule {
        pattern: pattern?,
        settings: Arc::new(settings),
    })
}

fn pattern(value: &Value<'_>) -> Option<Pattern> {
    let pattern = Pattern::parse(value.text()?.get()).map_err(|error| error.to_string());
    let problem = match &pattern {
        Ok(pattern) if pattern.holes().next().is_none() => None,
        Ok(_) => Some("a channel is the same for all who use it: no {user} or {claim:…} can stand here"),
        Err(error) => Some(error.as_str()),
    };
    if let Some(problem) = problem {
        value.report(value.place.problem(problem));
        return None;
    }
    pattern.ok()
}

fn history(mut section: Section<'_>) -> History {
    let history = History {
        size: section.count("size", &HISTORY_SIZE),
        ttl: section.seconds("ttl_seconds", &HISTORY_TTL),
    };
    section.finish();
    history
}

fn overflow(value: &Value<'_>) -> Option<Overflow> {
    value.word(&[
        ("disconnect", Overflow::Disconnect),
        ("drop", Overflow::Drop),
        ("conflate", Overflow::Conflate),
    ])
}

fn content(value: &Value<'_>) -> Option<Content> {
    value.word(&[("json", Content::Json), ("binary", Content::Binary)])
}
