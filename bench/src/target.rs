//! How to speak to one server: paths, opening frames, and how a delivery is recognised. Knows text, no socket.

use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::Deserialize;

const CHANNEL: &str = "{channel}";

/// A server's description, read from a JSON file in `bench/targets`.
///
/// In its frames `{token}` stands for the command line's token, `{channel}` for the number of a subscriber's
/// channel (the frame is sent once for each), `{number}` for the count of the message, `{sent}` for
/// the moment of sending in nanoseconds since the epoch, and `{fill}` for the payload's filling.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// The name in results.
    pub name: String,
    /// Where subscribers connect.
    pub subscriber_path: String,
    /// Where the publisher connects.
    pub publisher_path: String,
    /// Further lines of the upgrade request.
    #[serde(default)]
    pub headers: Vec<String>,
    /// A subscriber's opening frames.
    #[serde(default)]
    pub subscriber_hello: Vec<String>,
    /// The publisher's opening frames.
    #[serde(default)]
    pub publisher_hello: Vec<String>,
    /// The text of the frame that answers the last hello, or each that names a channel; without it, the upgrade
    /// is enough.
    pub ready: Option<String>,
    /// The text of the frame that acknowledges a message; without it, nothing does.
    pub ack: Option<String>,
    /// A message.
    pub publish: String,
    /// The text in a delivery right before the moment of sending.
    pub delivery: String,
}

impl Target {
    /// Reads a description and fills in the token.
    pub(crate) fn load(path: &Path, token: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut target: Self = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        for hello in target.subscriber_hello.iter_mut().chain(&mut target.publisher_hello) {
            *hello = hello.replace("{token}", token);
        }
        Ok(target)
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

    /// A message up to its number and the moment of sending.
    pub(crate) fn filled(&self, bytes: usize) -> String {
        self.publish.replace("{fill}", &"x".repeat(bytes))
    }

    /// The next message, of one that is [`filled`](Self::filled).
    pub(crate) fn message(filled: &str, number: u64) -> String {
        filled
            .replacen("{number}", &number.to_string(), 1)
            .replacen("{sent}", &now_ns().to_string(), 1)
    }

    /// How long ago a delivery was sent, in nanoseconds; none if the frame is no delivery.
    pub(crate) fn age_of(&self, finder: &memchr::memmem::Finder<'_>, payload: &[u8]) -> Option<u64> {
        let at = finder.find(payload)? + self.delivery.len();
        let digits = payload[at..].iter().take_while(|byte| byte.is_ascii_digit());
        let sent = digits.fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'));
        Some(now_ns().saturating_sub(sent))
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_its_age() {
        for name in ["sluicegate", "bun"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("targets/{name}.json"));
            let target = Target::load(&path, "t").unwrap();
            let message = Target::message(&target.filled(2), 7);
            serde_json::from_str::<serde_json::Value>(&message).expect("a message is JSON");
            let finder = memchr::memmem::Finder::new(&target.delivery);
            let age = target
                .age_of(&finder, message.as_bytes())
                .expect("it holds the moment of sending");
            assert!(age < 1_000_000_000, "{age}");
            assert_eq!(target.age_of(&finder, b"{}"), None);
        }
    }

    #[test]
    fn a_subscriber_names_each_of_its_channels() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/sluicegate.json");
        let hello = Target::load(&path, "t").unwrap().hello(7..9);
        assert_eq!(hello.len(), 3);
        assert!(hello[1].contains("load:7") && hello[2].contains("load:8"), "{hello:?}");
    }
}
