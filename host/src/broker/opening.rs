//! The moment from which on a broker serves. One that takes over from another process waits for it until it is ready: until
//! then clients and operators are the other's.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::announced::say;
use crate::gateway::{self, AcceptState, AdminRoutes, ListenerTls, Readiness};
use crate::handover::Predecessor;
use crate::passed_sockets::{HeldSocket, PassedSockets};
use crate::systemd::{ServiceManager, Watchdog};

/// How often a broker that is to take over looks whether it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a broker has to do when it begins to serve.
pub(super) struct OpeningSteps {
    /// The process that it takes over from.
    pub predecessor: Option<Predecessor>,
    /// The admin listener, unless it is served already.
    pub admin: Option<AdminListener>,
    /// Where clients connect.
    pub addresses: Vec<String>,
    /// Files of sockets that are still the predecessor's.
    pub files: Vec<PathBuf>,
    /// Sockets that no listener wants any more.
    pub unused: PassedSockets,
    /// Who is told then.
    pub manager: ServiceManager,
    pub watchdog: Option<Watchdog>,
}

/// The admin listener before it is served.
pub(super) struct AdminListener {
    listener: TcpListener,
    address: SocketAddr,
    header_timeout: Duration,
    routes: AdminRoutes,
    tls: Option<Arc<ListenerTls>>,
}

// === impl OpeningSteps ===

impl OpeningSteps {
    /// Waits until a broker that waits for it may begin to serve.
    pub(super) async fn is_due(opening: Option<&Self>, readiness: &Readiness) {
        if opening.is_none() {
            pending::<()>().await;
        }
        while readiness.hindrance().is_some() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

// === impl AdminListener ===

impl AdminListener {
    /// On a socket that this process goes on to hold.
    pub(super) fn new(
        socket: &HeldSocket,
        header_timeout: Duration,
        routes: AdminRoutes,
        tls: Option<Arc<ListenerTls>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::from_std(socket.socket.try_clone()?.into())?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            header_timeout,
            routes,
            tls,
        })
    }

    /// Serves it, and says what it is reached by.
    pub(super) fn serve(self, accepting: &watch::Sender<AcceptState>) -> io::Result<()> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        say(&format!("admin on {scheme}://{}", self.address))?;
        let accepting = accepting.subscribe();
        let served = gateway::serve_admin(self.listener, self.routes, self.header_timeout, self.tls, accepting);
        tokio::spawn(served);
        Ok(())
    }
}
