//! The Redis backplane as the broker sees it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use redis_client::{PushQueue, Topology, Value};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::control_messages::ControlMessages;
use super::names::KeyNames;
use super::node::Node;
use super::partition_check::PartitionCheck;
use super::presence_table::PresenceTable;
use super::publish_queues::PublishQueues;
use super::scripts::LIVE;
use super::subscribed::SubscribedConnections;
use super::subscription_table::{JoinWait, SubscriptionTable};
use super::{dispatcher, gap_recovery, subscribers};
use crate::BackplaneMetrics;
use crate::pending_bytes::PendingBytes;
use crate::{
    Allowance, Backplane, HistoryPage, HistoryRange, Inbox, InstanceName, Nodes, PresenceSnapshot, PublishOptions,
    Published, Rejection, Reply, Unavailable,
};
use chain::{Message, Permit};
use config::{ChannelSettings, RedisSettings};
use protocol::Member;
use protocol::names::Topic;

/// How long a join or an entry waits for its confirmation before it fails with 4504.
const CONFIRM_WAIT: Duration = Duration::from_secs(3);

pub struct RedisBackplane(pub(super) Arc<Node>);

impl RedisBackplane {
    /// A backplane over `topology` for the shards whose inboxes these are. Its tasks run on the runtime this is called
    /// in; until Redis is connected everything fails. Beside it, what other nodes send to this one.
    pub fn start(
        topology: Arc<Topology>,
        settings: &RedisSettings,
        name: InstanceName,
        inboxes: Vec<Arc<Inbox>>,
        metrics: BackplaneMetrics,
    ) -> (Self, mpsc::Receiver<Bytes>) {
        let (queue, arrived) = PushQueue::new();
        let names = KeyNames::new(&settings.prefix, settings.partitions);
        let instance = name.as_str().to_owned();
        let (control, received) = ControlMessages::new([names.control(None), names.control(Some(&instance))]);
        let node = Arc::new(Node {
            topology,
            table: SubscriptionTable::new(names, inboxes.len(), settings.position_check, metrics.clone()),
            subscribed: SubscribedConnections::default(),
            control,
            presence: PresenceTable::default(),
            queues: PublishQueues::default(),
            pending_bytes: PendingBytes::default(),
            partitions: PartitionCheck::default(),
            inboxes,
            recoveries: Semaphore::new(gap_recovery::AT_ONCE),
            runtime: Handle::current(),
            metrics,
            timeout: settings.timeout,
            replicas: settings.replicas,
            instance,
            nonce: name.nonce,
            counter: AtomicU64::new(1),
        });
        tokio::spawn(subscribers::keep_all(node.clone(), queue.clone()));
        tokio::spawn(dispatcher::dispatch(node.clone(), queue, arrived));
        tokio::spawn(node.clone().check_quiet());
        tokio::spawn(node.clone().keep_presence());
        tokio::spawn(node.clone().beat());
        (Self(node), received)
    }
}

impl Backplane for RedisBackplane {
    fn publish(
        self: Arc<Self>,
        permit: Permit<Message>,
        options: PublishOptions,
    ) -> Reply<'static, Published, Rejection> {
        self.0.publish(permit.redeem(), &options)
    }

    fn message_id(&self) -> Arc<str> {
        self.0.unique()
    }

    fn join<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a Arc<ChannelSettings>,
        allowance: &'a Allowance,
        shard: usize,
    ) -> Reply<'a, (), Rejection> {
        Box::pin(async move {
            // First of all: nothing is kept of what cannot be had now.
            if !self.0.table.is_on(topic) {
                self.0.reach(topic)?;
            }
            let confirmed = self.0.table.join(topic, settings, allowance, shard)?;
            // Given back also when whoever waits goes away.
            let joined = Joining {
                table: &self.0.table,
                topic,
                shard,
            };
            if let JoinWait::When(confirmed) = confirmed {
                let confirmed = tokio::time::timeout(CONFIRM_WAIT, confirmed).await;
                if !matches!(confirmed, Ok(Ok(()))) {
                    return Err(Unavailable("the subscription was not confirmed".into()).into());
                }
            }
            std::mem::forget(joined);
            Ok(())
        })
    }

    fn leave(&self, topic: &Topic, shard: usize) {
        self.0.table.leave(topic, shard);
    }

    fn history<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a ChannelSettings,
        range: HistoryRange,
    ) -> Reply<'a, HistoryPage> {
        Box::pin(async move {
            self.0.reach(topic)?;
            // Subscribers open a channel, others that read it do not.
            let opens = self.0.table.is_wanted(topic);
            let page = self.0.read_history(topic, settings, &range, opens).await?;
            self.0.table.learn(topic, &page.newest);
            Ok(page)
        })
    }

    fn enter<'a>(&'a self, topic: &'a Topic, settings: &'a ChannelSettings, member: &'a Member) -> Reply<'a, ()> {
        Box::pin(async move {
            self.0.reach(topic)?;
            let entering = Entering {
                presence: &self.0.presence,
                topic,
                settings,
                member,
            };
            let entered = self.0.presence.enter(topic, settings, member);
            match tokio::time::timeout(CONFIRM_WAIT, entered).await {
                Ok(Ok(())) => {
                    std::mem::forget(entering);
                    Ok(())
                }
                _ => Err(Unavailable("the presence was not confirmed".into())),
            }
        })
    }

    fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) {
        self.0.presence.exit(topic, settings, member);
    }

    fn members<'a>(&'a self, topic: &'a Topic) -> Reply<'a, PresenceSnapshot> {
        Box::pin(self.0.members(topic))
    }

    fn topics(&self) -> Vec<(Topic, u64)> {
        self.0.table.list()
    }

    fn hindrance(&self) -> Option<String> {
        self.0.hindrance()
    }

    fn close(&self) -> Reply<'_, ()> {
        Box::pin(async move {
            // Who leaves somebody behind is cleaned up after by the others.
            if self.0.presence.settled().await {
                self.0.sign_off().await;
            }
            Ok(())
        })
    }
}

impl Nodes for RedisBackplane {
    fn instance(&self) -> &str {
        &self.0.instance
    }

    fn live(&self) -> Reply<'_, Vec<String>> {
        Box::pin(async move {
            let call = LIVE.call([self.0.table.names.instances()]);
            let Value::Array(instances) = self.0.topology.call(&call).await? else {
                return Ok(Vec::new());
            };
            let text = |value| match value {
                Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
                _ => None,
            };
            Ok(instances.into_iter().filter_map(text).collect())
        })
    }

    fn send<'a>(&'a self, to: Option<&'a str>, message: Vec<u8>) -> Reply<'a, ()> {
        Box::pin(async move {
            let channel = self.0.table.names.control(to);
            let mut send = redis_client::cmd(self.0.topology.publish_command());
            send.arg(&channel).arg(message);
            self.0.topology.run(channel.as_bytes(), &send).await?;
            Ok(())
        })
    }

    fn listens<'a>(&'a self, instance: &'a str) -> Reply<'a, bool> {
        Box::pin(async move {
            let channel = self.0.table.names.control(Some(instance));
            let mut ask = redis_client::cmd(self.0.topology.publish_command());
            ask.arg(&channel).arg("");
            let receivers = self.0.topology.run(channel.as_bytes(), &ask).await?;
            Ok(matches!(receivers, Value::Int(1..)))
        })
    }

    fn listens_over(&self) -> Option<u64> {
        let channel = self.0.table.names.control(None);
        let connection = self.0.topology.connection_of(channel.as_bytes())?;
        self.0.subscribed.of(&connection)
    }
}

/// A join that was not answered: dropped, it is taken back.
struct Joining<'a> {
    table: &'a SubscriptionTable,
    topic: &'a Topic,
    shard: usize,
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        self.table.leave(self.topic, self.shard);
    }
}

/// An entry that was not answered: dropped, it is taken back.
struct Entering<'a> {
    presence: &'a PresenceTable,
    topic: &'a Topic,
    settings: &'a ChannelSettings,
    member: &'a Member,
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        self.presence.exit(self.topic, self.settings, self.member);
    }
}
