//! `[backplane]`: what joins nodes into one broker.

use std::fmt;

use super::section::{Section, Value};

const URL: &str = "redis://127.0.0.1:6379/0";
const PREFIX: &str = "sg";
/// Bytes of a prefix at most: it stands before every key.
const PREFIX_BYTES: usize = 64;

/// Which backplane.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum BackplaneKind {
    /// This process alone.
    #[default]
    Memory,
    /// Redis joins the nodes that have the same server, database and prefix.
    Redis {
        /// `redis://` or `rediss://`, with the password if there is one.
        url: String,
        /// What every key and channel begins with.
        prefix: String,
    },
}

impl fmt::Debug for BackplaneKind {
    /// Without the URL: it may hold a password, and configs get logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Redis { prefix, .. } => f.debug_struct("Redis").field("prefix", prefix).finish_non_exhaustive(),
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> BackplaneKind {
    let kind = section.value("kind");
    let redis = kind
        .as_ref()
        .and_then(|value| value.word(&[("memory", false), ("redis", true)]));
    // Read for both kinds, so that turning Redis off and on again is one word, and typos show early.
    let url = section.value("url").and_then(|value| url(&value));
    let prefix = section.value("prefix").and_then(|value| prefix(&value));
    section.finish();
    match (redis, kind) {
        (Some(true), Some(kind)) => {
            refuse_redis(&kind);
            BackplaneKind::Redis {
                url: url.unwrap_or(URL).to_owned(),
                prefix: prefix.unwrap_or(PREFIX).to_owned(),
            }
        }
        _ => BackplaneKind::Memory,
    }
}

/// Goes when the Redis backplane comes.
fn refuse_redis(kind: &Value<'_>) {
    kind.problem("backplane.kind = \"redis\" is not in this build yet", "use \"memory\"");
}

fn url<'a>(value: &Value<'a>) -> Option<&'a str> {
    let text = value.text()?;
    let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://"));
    let good = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with(['/', '?', '#'])
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    if !good {
        // The text stays out of the message: it may hold a password.
        value.problem(
            "is not a Redis URL",
            format!("write it like {URL:?}, or rediss:// for TLS"),
        );
    }
    good.then_some(text)
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
