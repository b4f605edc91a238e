//! What things are called in Redis.
//!
//! Everything of one channel has the tag of its partition in braces. The kind stands before the braces, and what a
//! client wrote only behind them: no choice of channel or key makes two names one, or changes where a name lies.

use std::sync::Arc;

use redis_client::slot_of;

use super::partitions::{Partition, Partitions};
use protocol::names::{Channel, Topic};

/// Which layout the keys have. Keys of another layout have other names, so they are never taken for these.
const LAYOUT: &str = "2";
/// The tag of what nodes keep of each other.
const NODES: &str = "{nodes}";

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(super) struct KeyNames {
    prefix: Box<str>,
    partitions: Arc<Partitions>,
}

impl KeyNames {
    pub(super) fn new(prefix: &str, partitions: u16) -> Self {
        Self {
            prefix: with_layout(prefix).into(),
            partitions: Arc::new(Partitions::new(partitions)),
        }
    }

    /// The partitions that names are tagged with.
    pub(super) fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// The partition of a topic.
    pub(super) fn partition(&self, topic: &Topic) -> Partition {
        self.partitions.of(topic)
    }

    /// The slot of a topic.
    pub(super) fn slot(&self, topic: &Topic) -> u16 {
        self.partitions.slot(self.partition(topic))
    }

    /// Where a topic's messages are published.
    pub(super) fn channel(&self, topic: &Topic) -> String {
        self.of("c", topic)
    }

    /// The hash that says where a topic's history stands.
    pub(super) fn place(&self, topic: &Topic) -> String {
        self.of("p", topic)
    }

    /// The stream with a topic's history.
    pub(super) fn stream(&self, topic: &Topic) -> String {
        self.of("s", topic)
    }

    /// What was published first under a client's key.
    pub(super) fn key(&self, topic: &Topic, key: &str) -> String {
        // With its length at the end, so that it can be told where the channel ends and the key begins.
        format!("{}:{key}:{}", self.of("k", topic), key.len())
    }

    /// The hash of who is present in a topic.
    pub(super) fn members(&self, topic: &Topic) -> String {
        self.of("h", topic)
    }

    /// The set of topics in which sessions of an instance are present.
    pub(super) fn presences(&self, instance: &str) -> String {
        format!("{}:presences:{instance}", self.prefix)
    }

    /// What channels tell that nobody has used.
    pub(super) fn unused(&self) -> String {
        format!("{}:{NODES}:unused", self.prefix)
    }

    /// The sorted set of instances, by when each is given up.
    pub(super) fn instances(&self) -> String {
        format!("{}:{NODES}:instances", self.prefix)
    }

    /// How many partitions there are, for all nodes.
    pub(super) fn partition_count(&self) -> String {
        format!("{}:{NODES}:partitions", self.prefix)
    }

    /// The slot of what nodes keep of each other.
    pub(super) fn nodes_slot() -> u16 {
        slot_of(NODES.as_bytes())
    }

    /// Where control messages are sent: to an instance, or to all. It lies where the first partition does, so that it
    /// is heard by a connection that is watched.
    pub(super) fn control(&self, to: Option<&str>) -> String {
        let tag = self.partitions.tag(0);
        match to {
            Some(instance) => format!("{}:control:{{{tag}}}:{instance}", self.prefix),
            None => format!("{}:control:{{{tag}}}", self.prefix),
        }
    }

    /// A channel of a partition that only this instance listens to, to see whether its subscriptions live.
    pub(super) fn liveness(&self, partition: Partition, instance: &str) -> String {
        format!("{}:live:{{{}}}:{instance}", self.prefix, self.partitions.tag(partition))
    }

    /// The topic whose messages are published in `channel`.
    pub(super) fn topic(&self, channel: &str) -> Option<Topic> {
        let inner = channel.strip_prefix(&*self.prefix)?.strip_prefix(":c:{")?;
        let (_, topic) = inner.split_once("}:")?;
        // A tenant's name has no slash.
        let (tenant, channel) = topic.split_once('/')?;
        Some(Topic {
            tenant: tenant.into(),
            channel: Channel::parse(channel).ok()?,
        })
    }

    fn of(&self, kind: &str, topic: &Topic) -> String {
        let tag = self.partitions.tag(self.partition(topic));
        format!("{}:{kind}:{{{tag}}}:{}/{}", self.prefix, topic.tenant, topic.channel)
    }
}

/// What the names of a prefix begin with. Only what plugins keep stands outside: its layout is older and did not
/// change.
pub fn with_layout(prefix: &str) -> String {
    format!("{prefix}:{LAYOUT}")
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
    fn a_topics_names_share_a_slot_and_nothing_else() {
        let names = KeyNames::new("sg", 256);
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
        assert_eq!(
            KeyNames::new("sg", 1).place(&topic("acme", "room")),
            "sg:2:p:{0}:acme/room"
        );
        assert_ne!(
            names.key(&topic("t", "a"), "b}:c"),
            names.key(&topic("t", "a}:b"), "c"),
            "a key cannot be written so that it is another channel's"
        );
    }
}
