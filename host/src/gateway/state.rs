//! What the public listeners of all shards share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::directory::Directory;
use super::listener_tls::ListenerTls;
use super::readiness::Readiness;
use crate::doorkeeper::Doorkeeper;
use crate::http_sessions::HttpSessions;
use crate::observe::Metrics;
use config::Proxies;
use registry::Registry;
use relay::{PostRoom, Relay};
use tickets::Tickets;
use tokio::sync::{Notify, watch};

/// Connections that may ask a node for its health that is full, or sheds load.
const HEALTH_CONNECTIONS: usize = 16;

/// Bytes of the bodies of posts that a node has at once, most of them of whoever sends.
pub(crate) const BODIES_BYTES: usize = 64 * 1_048_576;

/// Whether a process accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptState {
    /// They wait in the queue of their socket, until all is there.
    NotYet,
    Now,
    /// Another process accepts them; the sockets are to be closed here.
    NoMore,
}

/// Connections between their accept and their session.
#[derive(Default)]
pub(crate) struct Handshaking {
    count: AtomicUsize,
    none: Notify,
}

/// One of them, until it is dropped.
pub(super) struct Arrival(Arc<Handshaking>);

/// One for the node.
pub(crate) struct Gateway {
    /// The tenants that are in force.
    pub(crate) directory: Directory,
    /// Connections of this node at most.
    pub(crate) max_connections: usize,
    /// Connections of this node, each from its accept to its end.
    pub(crate) connections: AtomicUsize,
    /// From the accept to the end of a request's head.
    pub(crate) header_timeout: Duration,
    /// What listeners with TLS speak it with.
    pub(crate) tls: Option<Arc<ListenerTls>>,
    /// The node shuts down, and refuses whoever comes.
    pub(crate) closed: AtomicBool,
    /// Whether connections are accepted at all.
    pub(crate) accepting: watch::Sender<AcceptState>,
    /// Connections that were accepted, and are no sessions yet.
    pub(crate) arrivals: Arc<Handshaking>,
    /// Whether the demo page and its tokens are served.
    pub(crate) demo: bool,
    /// Who may speak for others.
    pub(crate) proxies: ArcSwap<Proxies>,
    /// Who may come in.
    pub(crate) doorkeeper: Arc<Doorkeeper>,
    /// What clients may be told of this node's health; none: nothing.
    pub(crate) health: Option<Readiness>,
    /// Connections that may ask for it, and become no session.
    pub(crate) health_connections: AtomicUsize,
    /// Who is connected, on whichever node.
    pub(crate) registry: Arc<Registry>,
    /// What may stand in a URL instead of a token.
    pub(crate) tickets: Tickets,
    /// Hands posts to the other nodes, if there are any.
    pub(crate) relay: Option<Arc<Relay>>,
    /// Room for the bodies of posts until they are answered.
    pub(crate) bodies: Arc<PostRoom>,
    /// The sessions of this node that are asked by posts.
    pub(crate) sessions: Arc<HttpSessions>,
    /// Counts what comes in, and what is refused.
    pub(crate) metrics: Metrics,
}

impl Gateway {
    /// Counts a new connection; none if the node has its maximum, and as many as may ask for its health.
    pub(super) fn admit(self: &Arc<Self>) -> Option<ConnectionGuard> {
        // Counted first, so that two shards cannot both take the last one; what was not granted is given back.
        let session = ConnectionGuard {
            gateway: self.clone(),
            is_session: true,
        };
        if self.connections.fetch_add(1, Ordering::Relaxed) < self.max_connections {
            return Some(session);
        }
        drop(session);
        self.admit_visit()
    }

    /// Whether it has its maximum of connections.
    pub(super) fn is_full(&self) -> bool {
        self.connections.load(Ordering::Relaxed) >= self.max_connections
    }

    /// Counts a new connection that may ask for the node's health and nothing else; none if there are enough of these, or
    /// nobody is told.
    pub(super) fn admit_visit(self: &Arc<Self>) -> Option<ConnectionGuard> {
        self.health.as_ref()?;
        let before = self.health_connections.fetch_add(1, Ordering::Relaxed);
        let visit = ConnectionGuard {
            gateway: self.clone(),
            is_session: false,
        };
        (before < HEALTH_CONNECTIONS).then_some(visit)
    }
}

// === impl AcceptState ===

impl AcceptState {
    /// Waits until connections are accepted. False: they never are any more.
    pub(super) async fn begins(state: &mut watch::Receiver<Self>) -> bool {
        let state = state.wait_for(|state| *state != Self::NotYet).await;
        state.is_ok_and(|state| *state == Self::Now)
    }

    /// Waits until no more are.
    pub(super) async fn ends(state: &mut watch::Receiver<Self>) {
        // A gateway that is gone accepts nobody.
        drop(state.wait_for(|state| *state == Self::NoMore).await);
    }
}

// === impl Handshaking ===

impl Handshaking {
    pub(super) fn arrive(self: &Arc<Self>) -> Arrival {
        self.count.fetch_add(1, Ordering::Relaxed);
        Arrival(self.clone())
    }

    /// Waits until there is none, where no more are accepted.
    pub(crate) async fn none(&self) {
        while self.count.load(Ordering::Relaxed) > 0 {
            self.none.notified().await;
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.none.notify_one();
        }
    }
}

/// One of the node's connections, given back when dropped.
pub(super) struct ConnectionGuard {
    gateway: Arc<Gateway>,
    /// Whether it may become a session.
    pub(super) is_session: bool,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let count = if self.is_session {
            &self.gateway.connections
        } else {
            &self.gateway.health_connections
        };
        count.fetch_sub(1, Ordering::Relaxed);
    }
}
