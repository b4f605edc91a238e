//! A Redis of any topology with broker nodes on it, and the faults that can be caused in them.

use std::time::Duration;

use super::lasting;
use super::plan::{Fault, Topology};
use super::run::Run;
use crate::support::{Nodes, Redis, RedisCluster, Sentinels};

/// A Redis of any topology.
pub(super) enum Store {
    /// One server.
    Single(Redis),
    /// Master and replica.
    Sentinel(Sentinels),
    /// Three masters.
    Cluster(RedisCluster),
}

impl Store {
    /// Starts it.
    pub(super) async fn start(topology: Topology) -> Self {
        match topology {
            Topology::Single => Self::Single(Redis::with_aof().await),
            Topology::Sentinel => Self::Sentinel(Sentinels::start().await),
            Topology::Cluster => Self::Cluster(RedisCluster::start().await),
        }
    }

    /// As the broker's config names it.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Single(redis) => redis.url(),
            Self::Sentinel(sentinels) => sentinels.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    /// Every server.
    pub(super) fn servers(&self) -> &[Redis] {
        match self {
            Self::Single(redis) => std::slice::from_ref(redis),
            Self::Sentinel(sentinels) => &sentinels.servers,
            Self::Cluster(cluster) => &cluster.masters,
        }
    }

    fn server(&mut self, n: usize) -> &mut Redis {
        match self {
            Self::Single(redis) => redis,
            Self::Sentinel(sentinels) => &mut sentinels.servers[n],
            Self::Cluster(cluster) => &mut cluster.masters[n],
        }
    }

    /// Carries out a command on every server that takes writes.
    pub(super) async fn on_masters(&self, words: &[&str]) {
        match self {
            Self::Sentinel(sentinels) => {
                let master = sentinels.master().await;
                sentinels.servers[master].run(words).await;
            }
            _ => {
                for server in self.servers() {
                    server.run(words).await;
                }
            }
        }
    }

    /// Every channel of Redis that has a subscriber.
    pub(super) async fn subscribed_channels(&self) -> Vec<String> {
        let mut channels = Vec::new();
        for server in self.servers() {
            channels.extend(server.subscribed_channels().await);
        }
        channels.sort_unstable();
        channels.dedup();
        channels
    }
}

/// The system of a run.
pub(super) struct Stage {
    /// The Redis.
    pub store: Store,
    /// The brokers.
    pub nodes: Nodes,
}

impl Stage {
    /// Causes the fault, and ends it if it does not end by itself.
    pub(super) async fn strike(&mut self, fault: &Fault, run: &Run) {
        match fault {
            Fault::RedisDies { server, down } => {
                let server = self.store.server(*server);
                server.kill().await;
                lasting(*down).await;
                server.restart().await;
            }
            Fault::RedisPauses { server, pause } => {
                let server = self.store.server(*server);
                server.pause();
                lasting(*pause).await;
                server.resume();
            }
            Fault::SubscribersKicked { again } => {
                self.kick().await;
                lasting(*again).await;
                self.kick().await;
            }
            Fault::TinyBuffers { server, lasts } => {
                let server = self.store.server(*server);
                let limit = "client-output-buffer-limit";
                server.run(&["CONFIG", "SET", limit, "pubsub 1 1 1"]).await;
                lasting(*lasts).await;
                server.run(&["CONFIG", "SET", limit, "pubsub 32mb 8mb 60"]).await;
            }
            Fault::FlushAll => self.store.on_masters(&["FLUSHALL"]).await,
            Fault::FlushScripts => self.store.on_masters(&["SCRIPT", "FLUSH"]).await,
            Fault::FailOver => {
                if let Store::Sentinel(sentinels) = &mut self.store {
                    sentinels.fail_over().await;
                }
            }
            Fault::SlotsMove { channel } => {
                if let Store::Cluster(cluster) = &self.store {
                    for slot in cluster.slots_of(&run.channels()[*channel]).await {
                        cluster.move_slot(slot).await;
                    }
                    cluster.is_well().await;
                }
            }
            Fault::NodeDies { node, down } => {
                self.nodes.kill(*node).await;
                lasting(*down).await;
                self.nodes.revive(*node).await;
            }
            Fault::RollingRestart => self.rolling_restart().await,
        }
        // A restarted master of a cluster needs a moment to be one again.
        if let Store::Cluster(cluster) = &self.store {
            cluster.is_well().await;
        }
    }

    /// Restarts all nodes, one after the other, each after it drained.
    pub(super) async fn rolling_restart(&mut self) {
        for node in 0..self.nodes.count() {
            self.nodes.drain(node).await;
            self.nodes.revive(node).await;
        }
    }

    async fn kick(&self) {
        for server in self.store.servers() {
            server.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        }
    }
}

/// How soon after a fault is over everybody must get messages again.
pub(crate) const HEALED: Duration = Duration::from_secs(5);
