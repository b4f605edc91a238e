//! How to speak to one server: paths, opening frames, and how a delivery is recognised. Knows text, no socket.

use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::poller::Polling;

const CHANNEL: &str = "{channel}";

/// A server's description, read from a JSON file in `bench/targets`.
///
/// In it `{token}` stands for the command line's token. In its frames `{channel}` stands for the number of a subscriber's
/// channel (the frame is sent once for each) and of that of a message, `{number}` for the count of the message, `{sent}` for
/// the moment of sending in nanoseconds since the epoch, and `{fill}` for the payload's filling. A server that speaks other formats
/// than JSON is told by `{format}` in a header which it is. Frames, and the fields that are looked for in them, are
/// written here as JSON for all formats.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// The name in results.
    pub name: String,
    /// How messages come to subscribers. The publisher has a WebSocket.
    #[serde(default)]
    pub delivered_by: DeliveredBy,
    /// Where subscribers connect.
    pub subscriber_path: String,
    /// Where the publisher connects.
    pub publisher_path: String,
    /// Further lines of the upgrade request.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Further lines of the request for a stream of events.
    #[serde(default)]
    pub events_headers: Vec<String>,
    /// How a subscriber polls, if it does.
    pub polling: Option<Polling>,
    /// A subscriber's opening frames.
    #[serde(default)]
    pub subscriber_hello: Vec<String>,
    /// The publisher's opening frames.
    #[serde(default)]
    pub publisher_hello: Vec<String>,
    /// What is in the frame that answers the last hello, or each that names a channel; without it, the upgrade
    /// is enough. In events, and in the answer to the first poll, it is there once; without it, the head of the answer is enough,
    /// and the poll that was sent.
    pub ready: Option<String>,
    /// What is in the frame that acknowledges a message; without it, nothing does.
    pub ack: Option<String>,
    /// A message.
    pub publish: String,
    /// What is in a delivery right before the moment of sending.
    pub delivery: String,
}

/// How messages come to a subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveredBy {
    #[default]
    WebSocket,
    /// A stream of Server-Sent Events.
    Events,
    Polls,
}

impl Target {
    /// Reads a description and fills in the token.
    pub(crate) fn load(path: &Path, token: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let target: Self =
            serde_json::from_str(&text.replace("{token}", token)).with_context(|| path.display().to_string())?;
        ensure!(
            target.polling.is_some() == (target.delivered_by == DeliveredBy::Polls),
            "{}: polling is for who polls",
            path.display()
        );
        Ok(target)
    }

    /// How a subscriber polls.
    pub(crate) fn polling(&self) -> Result<&Polling> {
        self.polling.as_ref().context("nobody polls this target")
    }

    /// The opening frames of a subscriber of these channels.
    pub(crate) fn hello(&self, channels: Range<usize>) -> Vec<String> {
        let each = |text: &String| -> Vec<String> {
            if text.contains(CHANNEL) {
                let named = |channel: usize| text.replace(CHANNEL, &channel.to_string());
                channels.clone().map(named).collect()
            } else {
                vec![text.clone()]
            }
        };
        self.subscriber_hello.iter().flat_map(each).collect()
    }

    /// A message to this channel up to its number and the moment of sending.
    pub(crate) fn filled(&self, channel: usize, bytes: usize) -> String {
        self.publish
            .replace(CHANNEL, &channel.to_string())
            .replace("{fill}", &"x".repeat(bytes))
    }

    /// The next message, of one that is [`filled`](Self::filled).
    pub(crate) fn message(filled: &str, number: u64) -> String {
        filled
            .replacen("{number}", &number.to_string(), 1)
            .replacen("{sent}", &now_ns().to_string(), 1)
    }
}

/// Nanoseconds since the epoch.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_names_each_of_its_channels() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/sluicegate.json");
        let hello = Target::load(&path, "t").unwrap().hello(7..9);
        assert_eq!(hello.len(), 3);
        assert!(hello[1].contains("load:7") && hello[2].contains("load:8"), "{hello:?}");
    }
}
