//! A node's name belongs to one process, which may give it to one that takes over from it. A node that starts asks the other instances of its name whether they live, and
//! is refused if one answers. The keys that a killed process left in Redis do not answer, so they refuse no node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::message::ControlMessage;
use backplane::{Nodes, Unavailable, node_of, took_over};

/// How long another instance may take to answer.
pub(super) const PONG_WAIT: Duration = Duration::from_secs(2);
/// How often the question is sent in that time, because a message may be lost.
const PING_EVERY: Duration = Duration::from_millis(400);

/// Another process that lives has the node's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "another node that lives is called {node:?} (instance {instance}): give this one a server.node of its own, or \
     stop the other one first"
)]
pub struct NameTaken {
    node: String,
    instance: String,
}

/// The claim of one instance to its node's name.
pub(super) struct NameClaim {
    nodes: Arc<dyn Nodes>,
    is_held: AtomicBool,
    /// Another process has the name, which took over from this one.
    is_given: AtomicBool,
    /// The instance that answered last.
    answered: watch::Sender<String>,
}

impl NameClaim {
    pub(super) fn new(nodes: Arc<dyn Nodes>) -> Self {
        Self {
            nodes,
            is_held: AtomicBool::new(false),
            is_given: AtomicBool::new(false),
            answered: watch::channel(String::new()).0,
        }
    }

    /// Claims the name, unless an instance that lives has it.
    pub(super) async fn claim(&self) -> Result<Result<(), NameTaken>, Unavailable> {
        let node = node_of(self.nodes.instance());
        let mut others = self.nodes.live().await?;
        // The one that this one takes over from has the name, and gives it.
        let own = self.nodes.instance();
        others.retain(|instance| instance != own && node_of(instance) == node && !took_over(own, instance));
        if others.is_empty() {
            self.is_held.store(true, Ordering::Relaxed);
            return Ok(Ok(()));
        }
        let until = Instant::now() + PONG_WAIT;
        let mut answered = self.answered.subscribe();
        while Instant::now() < until {
            for instance in &others {
                let ping = ControlMessage::Ping {
                    asker: self.nodes.instance().to_owned(),
                };
                self.nodes.send(Some(instance), ping.to_json()).await?;
            }
            let next = until.min(Instant::now() + PING_EVERY);
            let pong = timeout_at(next, answered.wait_for(|instance| others.contains(instance))).await;
            if let Ok(Ok(instance)) = pong {
                return Ok(Err(NameTaken {
                    node: node.to_owned(),
                    instance: instance.clone(),
                }));
            }
        }
        self.is_held.store(true, Ordering::Relaxed);
        Ok(Ok(()))
    }

    /// Whether this instance answers another one. Of two that claim a name at the same time one does not answer; else
    /// neither would get the name.
    pub(super) fn answers(&self, asker: &str) -> bool {
        let has_it = self.is_held.load(Ordering::Relaxed) || self.nodes.instance() < asker;
        has_it && !self.is_given.load(Ordering::Relaxed)
    }

    /// The name is another process's from now on: this one answers nobody.
    pub(super) fn give(&self) {
        self.is_given.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_answered(&self, instance: String) {
        self.answered.send_replace(instance);
    }
}
