//! Keeps the connection over which posts come, to the server that has this instance's channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use redis_client::{
    Confirmed, ConnectedServer, PushQueue, ReconnectBackoff, ServerConnection, SubscribedConnection, Topology,
};

/// A connection that lived for so long, in times between two checks, was of use: the next is opened at once.
const OF_USE: u32 = 2;

pub(super) struct PostListener {
    pub servers: Arc<Topology>,
    /// Where posts are published.
    pub name: Arc<str>,
    /// Where this instance publishes to itself, to see that it hears. In the same slot.
    pub liveness: Arc<str>,
    pub queue: PushQueue,
    /// The connection that listens; 0: none does.
    pub listens_over: Arc<AtomicU64>,
}

// === impl PostListener ===

impl PostListener {
    /// Listens for ever.
    pub(super) async fn keep(self) {
        let servers = &self.servers;
        let mut backoff = ReconnectBackoff::new();
        loop {
            let connection = servers.connection_of(self.name.as_bytes());
            let server = connection.as_ref().and_then(|connection| connection.server());
            if let (Some(connection), Some(server)) = (connection, server) {
                let began = Instant::now();
                let opened =
                    SubscribedConnection::open(&connection, &server, servers.is_cluster(), self.queue.clone()).await;
                if let Ok(mut subscription) = opened {
                    let why = self.listen(&mut subscription, &connection, &server).await;
                    self.listens_over.store(0, Ordering::Relaxed);
                    tracing::warn!(
                        why,
                        "nothing comes from other nodes that clients posted there; listening anew"
                    );
                    if began.elapsed() > subscription.check_every() * OF_USE {
                        backoff.reset();
                    }
                }
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Listens until the connection is of no use any more, and says why.
    async fn listen(
        &self,
        subscription: &mut SubscribedConnection,
        connection: &Arc<ServerConnection>,
        server: &ConnectedServer,
    ) -> String {
        for confirmed in [
            subscription.watch_by(self.liveness.clone()).await,
            subscription.subscribe(std::slice::from_ref(&self.name)).await,
        ] {
            match confirmed {
                Ok(Confirmed::Done) => {}
                Ok(Confirmed::Moved) => return self.moved(),
                Err(why) => return why,
            }
        }
        self.listens_over.store(subscription.id, Ordering::Relaxed);
        let mut changed = self.servers.changed();
        let mut check = tokio::time::interval(subscription.check_every());
        loop {
            tokio::select! {
                _ = changed.changed() => {}
                () = subscription.event() => {}
                _ = check.tick() => if let Err(why) = subscription.check(connection) {
                    return why;
                },
            }
            if subscription.is_ended() {
                return "the connection was closed".into();
            }
            let owner = self.servers.connection_of(self.name.as_bytes());
            let is_owner = owner.is_some_and(|owner| Arc::ptr_eq(&owner, connection));
            if !is_owner || !subscription.take_lost_slots().is_empty() {
                return self.moved();
            }
            if connection.server().is_some_and(|now| now.run != server.run) {
                return "the server was replaced".into();
            }
        }
    }

    fn moved(&self) -> String {
        self.servers.look_again();
        "the channel belongs to another server".into()
    }
}
