//! What things are called in Redis. Everything of one channel has one hash tag, so that in a Cluster it lies
//! on one server.
//!
//! The kind stands before the braces, and what a client wrote only within or behind them: no choice of
//! channel or key makes two names one.

use crate::protocol::names::{Channel, Topic};
use plugin_store::StoreId;

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: Box<str>,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Where a topic's messages are published.
    pub fn channel(&self, topic: &Topic) -> String {
        self.of("c", topic)
    }

    /// The hash that says where a topic's history stands.
    pub fn place(&self, topic: &Topic) -> String {
        self.of("p", topic)
    }

    /// The stream with a topic's history.
    pub fn stream(&self, topic: &Topic) -> String {
        self.of("s", topic)
    }

    /// What was published first under a client's key.
    pub fn key(&self, topic: &Topic, key: &str) -> String {
        // With its length at the end, so that it can be told where the channel ends and the key begins.
        format!("{}:{key}:{}", self.of("k", topic), key.len())
    }

    /// The hash of who is present in a topic.
    pub fn members(&self, topic: &Topic) -> String {
        self.of("h", topic)
    }

    /// The set of topics in which sessions of an instance are present.
    pub fn presences(&self, instance: &str) -> String {
        format!("{}:presences:{instance}", self.prefix)
    }

    /// The sorted set of instances, by when each is given up.
    pub fn instances(&self) -> String {
        format!("{}:instances", self.prefix)
    }

    /// Where notes are sent: to an instance, or to all.
    pub fn notes(&self, to: Option<&str>) -> String {
        match to {
            Some(instance) => format!("{}:notes:{instance}", self.prefix),
            None => format!("{}:notes", self.prefix),
        }
    }

    /// A channel that only this instance listens to, to hear whether its subscriptions live.
    pub fn probe(&self, instance: &str, attempt: usize) -> String {
        format!("{}:probe:{instance}:{attempt}", self.prefix)
    }

    /// A value of a plugin in a tenant.
    pub fn value(&self, place: &StoreId, key: &str) -> String {
        format!("{}:{key}", self.kept("v", place))
    }

    /// When each of a plugin's values ends.
    pub fn value_ends(&self, place: &StoreId) -> String {
        self.kept("ve", place)
    }

    /// How large each of a plugin's values is.
    pub fn value_sizes(&self, place: &StoreId) -> String {
        self.kept("vs", place)
    }

    /// A bucket of a plugin in a tenant. Its tag is all of it, so that buckets are spread over servers.
    pub fn bucket(&self, place: &StoreId, key: &str) -> String {
        format!("{}:l:{}/{}/{key}", self.prefix, place.0, place.1)
    }

    /// The topic whose messages are published in `channel`.
    pub fn topic(&self, channel: &str) -> Option<Topic> {
        let inner = channel
            .strip_prefix(&*self.prefix)?
            .strip_prefix(":c:{")?
            .strip_suffix('}')?;
        // A tenant's name has no slash.
        let (tenant, channel) = inner.split_once('/')?;
        Some(Topic {
            tenant: tenant.into(),
            channel: Channel::parse(channel).ok()?,
        })
    }

    // Neither tenants nor plugins have a slash or a brace in their names.
    fn kept(&self, kind: &str, (tenant, plugin): &StoreId) -> String {
        format!("{}:{kind}:{{{tenant}/{plugin}}}", self.prefix)
    }

    fn of(&self, kind: &str, topic: &Topic) -> String {
        format!("{}:{kind}:{{{}/{}}}", self.prefix, topic.tenant, topic.channel)
    }
}

/// The part of a name that decides its slot in a Cluster: between the first `{` and the next `}`, if there is
/// anything, else all of it.
pub(super) fn slot_of(name: &[u8]) -> u16 {
    let tag = name
        .iter()
        .position(|byte| *byte == b'{')
        .and_then(|open| {
            let rest = &name[open + 1..];
            rest.iter().position(|byte| *byte == b'}').map(|close| &rest[..close])
        })
        .filter(|tag| !tag.is_empty());
    crc16(tag.unwrap_or(name)) % SLOTS
}

/// Slots of a Cluster.
pub(super) const SLOTS: u16 = 16_384;

/// CRC-16/XMODEM, as the Cluster specification has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(tenant: &str, channel: &str) -> Topic {
        Topic {
            tenant: tenant.into(),
            channel: Channel::parse(channel).unwrap(),
        }
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
    }

    #[test]
    fn what_a_plugin_keeps_has_names_of_its_own() {
        let names = Names::new("sg");
        let (ours, theirs) = (("acme".into(), "p".into()), ("acme".into(), "q".into()));
        for key in ["a", "", "}", "{b}", "p}:a"] {
            let value = names.value(&ours, key);
            assert_eq!(slot_of(value.as_bytes()), slot_of(names.value_ends(&ours).as_bytes()));
            assert_eq!(slot_of(value.as_bytes()), slot_of(names.value_sizes(&ours).as_bytes()));
            assert_ne!(value, names.value(&theirs, key));
            assert_ne!(value, names.bucket(&ours, key));
            assert_ne!(names.bucket(&ours, key), names.bucket(&theirs, key));
        }
    }

    #[test]
    fn a_topics_names_share_a_slot_and_nothing_else() {
        let names = Names::new("sg");
        for channel in ["room:lobby", "a}b", "{", "}", "{}", "räume"] {
            let topic = topic("acme", channel);
            let all = [
                names.channel(&topic),
                names.place(&topic),
                names.stream(&topic),
                names.key(&topic, "k}{"),
                names.members(&topic),
            ];
            for (index, name) in all.iter().enumerate() {
                assert_eq!(slot_of(name.as_bytes()), slot_of(all[0].as_bytes()), "{name}");
                assert!(!all[..index].contains(name));
            }
            assert_eq!(names.topic(&all[0]), Some(topic));
        }
        assert_ne!(
            names.key(&topic("t", "a"), "b}:c"),
            names.key(&topic("t", "a}:b"), "c"),
            "a key cannot be written so that it is another channel's"
        );
    }
}
