//! Permission as a value: what holds a [`Permit`] was allowed by the chain or said by the operator, because
//! only this room makes one.

use bytes::Bytes;
use serde::de::IgnoredAny;
use thiserror::Error;

use protocol::Content;
use protocol::names::Topic;

/// Proof that the chain allowed `T`, or that the operator wants it. Nothing is published without one.
#[derive(Debug)]
pub struct Permit<T>(T);

impl<T> Permit<T> {
    pub(super) fn new(granted: T) -> Self {
        Self(granted)
    }

    /// Uses the permit up: one permit, one publish.
    pub fn redeem(self) -> T {
        self.0
    }
}

/// Why an operator's message is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// More than the tenant's `message_bytes`.
    #[error("the data has {bytes} bytes, and this tenant's messages have at most {limit}")]
    TooLarge {
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    #[error("the data is not JSON: {0}")]
    NotJson(String),
}

impl Permit<Message> {
    /// The operator's own authority, for the admin API alone: no plugin is asked, because the operator is
    /// who tells plugins what to allow. What holds for every message holds for this one.
    pub fn by_operator(message: Message, message_bytes: usize) -> Result<Self, Unfit> {
        if message.data.len() > message_bytes {
            return Err(Unfit::TooLarge {
                bytes: message.data.len(),
                limit: message_bytes,
            });
        }
        if message.content == Content::Json {
            serde_json::from_slice::<IgnoredAny>(&message.data).map_err(|error| Unfit::NotJson(error.to_string()))?;
        }
        Ok(Self(message))
    }
}

/// A message as the chain let it pass.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: Topic,
    /// What the data is.
    pub content: Content,
    /// The client's own bytes unless a plugin replaced them.
    pub data: Bytes,
    /// What plugins added to the envelope, in their order; a later value for a key wins.
    pub tags: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::names::Channel;

    fn message(data: &'static str) -> Message {
        Message {
            topic: Topic {
                tenant: "acme".into(),
                channel: Channel::parse("c").unwrap(),
            },
            content: Content::Json,
            data: Bytes::from_static(data.as_bytes()),
            tags: Vec::new(),
        }
    }

    #[test]
    fn the_operator_too_says_json_of_a_size() {
        assert!(Permit::by_operator(message("[1,2]"), 5).is_ok());
        let too_large = Unfit::TooLarge { bytes: 5, limit: 4 };
        assert_eq!(Permit::by_operator(message("[1,2]"), 4).unwrap_err(), too_large);
        for text in ["", "{", "nope", "1 2"] {
            let unfit = Permit::by_operator(message(text), 100).unwrap_err();
            assert!(matches!(unfit, Unfit::NotJson(_)), "{text:?}");
            let bytes = Message {
                content: Content::Binary,
                ..message(text)
            };
            assert!(
                Permit::by_operator(bytes, 100).is_ok(),
                "as bytes {text:?} is as good as anything"
            );
        }
    }
}
