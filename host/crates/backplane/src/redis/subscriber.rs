//! Keeps the subscribed connection to one server: has it subscribe to what changes, and begins anew when it is lost, or when
//! nothing comes through it any more. What happens to one slot concerns its partition only.

use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use redis_client::{
    Confirmed, ConnectedServer, PushQueue, ReconnectBackoff, ServerConnection, SubscribedConnection, slot_of,
};

use super::node::Node;
use super::partitions::Partition;
use super::subscription_table::{Round, Wanted};

/// Pending commands of one connection at most.
const IN_FLIGHT: usize = 64;
/// A connection that lived for so long, in times that a command may take, was of use: the next is opened at once.
const OF_USE: u32 = 3;

/// Keeps a subscribed connection beside `connection`, for ever.
pub(super) async fn keep(connection: Arc<ServerConnection>, node: Arc<Node>, queue: PushQueue) {
    let mut backoff = ReconnectBackoff::new();
    let mut up = connection.up();
    loop {
        if up.wait_for(|up| *up).await.is_err() {
            return;
        }
        let Some(server) = connection.server() else {
            tokio::time::sleep(backoff.next_wait()).await;
            continue;
        };
        let sharded = node.topology.is_cluster();
        match SubscribedConnection::open(&connection, &server, sharded, queue.clone()).await {
            Ok(subscription) => {
                let began = Instant::now();
                let mut subscriber = Subscriber {
                    subscription,
                    server,
                    connection: connection.clone(),
                    node: node.clone(),
                    control: Vec::new(),
                };
                let why = subscriber.serve().await;
                node.table.lose(subscriber.subscription.id);
                node.subscribed.remove(&connection);
                node.metrics.resubscribed.inc();
                tracing::warn!(why, "the subscriptions in Redis are lost; subscribing anew");
                if began.elapsed() > node.timeout * OF_USE {
                    backoff.reset();
                }
            }
            Err(error) => tracing::debug!(%error, "no second connection to Redis"),
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

struct Subscriber {
    subscription: SubscribedConnection,
    server: Arc<ConnectedServer>,
    connection: Arc<ServerConnection>,
    node: Arc<Node>,
    /// The channels for control messages that this connection is subscribed to.
    control: Vec<Arc<str>>,
}

impl Subscriber {
    /// Serves until the connection is of no use any more, and says why.
    async fn serve(&mut self) -> String {
        match self.run().await {
            Ok(()) => "the connection was closed".into(),
            Err(why) => why,
        }
    }

    async fn run(&mut self) -> Result<(), String> {
        let mut changes = self.node.table.changes();
        self.watch_itself().await?;
        self.listen_for_control().await?;
        self.node.subscribed.insert(&self.connection, self.subscription.id);
        self.node.table.look_again(|_, _| false);
        let mut check = tokio::time::interval(self.subscription.check_every());
        loop {
            self.subscribe_changes().await?;
            self.listen_for_control().await?;
            tokio::select! {
                _ = changes.changed() => {}
                () = self.subscription.event() => {}
                _ = check.tick() => {
                    self.watch_itself().await?;
                    self.subscription.check(&self.connection)?;
                }
            }
            if self.subscription.is_ended() {
                return Ok(());
            }
            self.give_up_lost_slots();
            match self.connection.server() {
                Some(server) if server.run != self.server.run => return Err("the server was replaced".into()),
                _ => {}
            }
        }
    }

    fn is_ours(&self, slot: u16) -> bool {
        let owner = self.node.topology.connection_of_slot(slot);
        owner.is_some_and(|owner| Arc::ptr_eq(&owner, &self.connection))
    }

    /// Has the connection watched by a channel of a partition that this server has. One that has no partition carries
    /// nothing that could be missed.
    async fn watch_itself(&mut self) -> Result<(), String> {
        if self.subscription.is_watched() {
            return Ok(());
        }
        let node = self.node.clone();
        let partitions = node.table.names.partitions();
        let ours = partitions
            .all()
            .find(|partition| self.is_ours(partitions.slot(*partition)));
        if let Some(partition) = ours {
            let channel = node.table.names.liveness(partition, &node.instance);
            let confirmed = self.subscription.watch_by(channel.into()).await;
            self.confirmed(confirmed)?;
        }
        Ok(())
    }

    /// Listens to the channels for control messages that lie on this server; in a Cluster they may come to it later.
    async fn listen_for_control(&mut self) -> Result<(), String> {
        let node = self.node.clone();
        for channel in node.control.channels() {
            if self.is_ours(slot_of(channel.as_bytes())) && !self.control.contains(channel) {
                let confirmed = self.subscription.subscribe(std::slice::from_ref(channel)).await;
                if self.confirmed(confirmed)? == Confirmed::Done {
                    self.control.push(channel.clone());
                }
            }
        }
        Ok(())
    }

    fn confirmed(&self, confirmed: Result<Confirmed, String>) -> Result<Confirmed, String> {
        if confirmed == Ok(Confirmed::Moved) {
            // Said again when it is known where the slot is.
            self.node.topology.look_again();
        }
        confirmed
    }

    /// What lay in slots that went to another server is subscribed there; all else stays as it is.
    fn give_up_lost_slots(&mut self) {
        let lost = self.subscription.take_lost_slots();
        if lost.is_empty() {
            return;
        }
        tracing::info!(
            slots = lost.len(),
            "slots have moved; subscribing to their channels where they are now"
        );
        self.control
            .retain(|channel| !lost.contains(&slot_of(channel.as_bytes())));
        self.node.table.lose_slots(self.subscription.id, &lost);
        self.node.topology.look_again();
    }

    /// Subscribes and unsubscribes until everything is as it should be. The commands of a round are pending
    /// together; no channel is in two of them, and the next round waits for all: so nothing is ever overtaken.
    async fn subscribe_changes(&mut self) -> Result<(), String> {
        loop {
            let node = &self.node;
            let partitions = node.table.names.partitions();
            let is_ours = |partition: Partition| self.is_ours(partitions.slot(partition));
            let sharded = node.topology.is_cluster();
            let round = node.table.next_round(self.subscription.id, sharded, is_ours);
            if round.is_empty() {
                return Ok(());
            }
            self.send(round).await?;
        }
    }

    async fn send(&self, round: Round) -> Result<(), String> {
        let Round { subscribe, unsubscribe } = round;
        let mut leaving = stream::iter(unsubscribe)
            .map(|names| async move { self.subscription.unsubscribe(&names).await })
            .buffer_unordered(IN_FLIGHT);
        while let Some(confirmed) = leaving.next().await {
            confirmed?;
        }
        let mut coming = stream::iter(subscribe)
            .map(|wanted| async move { self.subscribe(&wanted).await })
            .buffer_unordered(IN_FLIGHT);
        while let Some(confirmed) = coming.next().await {
            // Those that are not confirmed are still wanted; the next connection looks at all.
            confirmed?;
        }
        Ok(())
    }

    async fn subscribe(&self, wanted: &[Wanted]) -> Result<(), String> {
        let names: Vec<_> = wanted.iter().map(|(name, _)| name.clone()).collect();
        let confirmed = self.subscription.subscribe(&names).await;
        if self.confirmed(confirmed)? == Confirmed::Done {
            let gaps = self.node.table.confirm(self.subscription.id, wanted);
            self.node.check_all(gaps);
        }
        Ok(())
    }
}
