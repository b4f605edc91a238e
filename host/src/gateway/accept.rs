//! The accept loop of a shard: limits before anything is read, and a task for each connection.

use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::coop::unconstrained;

use super::connection::{self, Service};
use super::listen::{Accepting, ShardListener};
use super::routes;
use super::socket::Socket;
use super::state::{AcceptState, ConnectionGuard, Gateway};
use super::turned_away::{COME_BACK, turn_away};
use crate::doorkeeper::ShardLag;
use crate::observe::{DoorRefusalKind, LogThrottle};
use crate::shard::Shard;
use config::Descriptors;

/// Connections that are accepted until others have their turn. When everybody comes back at once they arrive faster than they
/// are served, and the kernel lets only so many wait: who finds no room there tries again after a second. Accepting takes a
/// tenth of serving, so it goes before it.
const IN_A_ROW: usize = 1_024;
const FULL: &str = "the node is full";
const CLOSED: &str = "the node is shutting down";
const OVERLOADED: &str = "the node is overloaded";
const UNAVAILABLE: &str = "503 Service Unavailable";

/// Accepts clients on all listeners of a shard. On its own thread, in tasks that live as long as the shard.
pub(crate) fn accept(listeners: Vec<ShardListener>, gateway: &Arc<Gateway>, shard: &Rc<Shard>) {
    let lag = Arc::new(ShardLag::default());
    tokio::task::spawn_local(gateway.doorkeeper.watch_shard(lag.clone()));
    for listener in listeners {
        let service = Service {
            router: routes::router(gateway),
            gateway: gateway.clone(),
            shard: shard.clone(),
            proxy_protocol: listener.proxy_protocol,
            tls: gateway.tls.clone().filter(|_| listener.tls),
            lag: lag.clone(),
        };
        match listener.open() {
            // The runtime would let it accept fewer at a time: see `IN_A_ROW`.
            Ok(listener) => drop(tokio::task::spawn_local(unconstrained(accept_on(listener, service)))),
            Err(error) => tracing::error!(%error, shard = shard.index, "a shard cannot listen"),
        }
    }
}

async fn accept_on(listener: Accepting, service: Service) {
    let gateway = service.gateway.clone();
    let descriptors = Descriptors::here();
    let mut accepting = gateway.accepting.subscribe();
    if !AcceptState::begins(&mut accepting).await {
        return;
    }
    // As long as this loop runs, somebody may arrive.
    let _arrival = gateway.arrivals.arrive();
    let mut in_a_row = 0;
    loop {
        let (socket, peer) = tokio::select! {
            biased;
            // What waits in the queue is the next process's, which has this socket too.
            () = AcceptState::ends(&mut accepting) => return,
            accepted = listener.next() => accepted,
        };
        let arrival = gateway.arrivals.arrive();
        in_a_row += 1;
        if in_a_row >= IN_A_ROW {
            in_a_row = 0;
            tokio::task::yield_now().await;
        }
        if gateway.closed.load(Ordering::Relaxed) && gateway.health.is_none() && gateway.sessions.is_empty() {
            refuse(&service, &socket, CLOSED);
            continue;
        }
        if is_reserved(&socket, descriptors) {
            log_shortage(&gateway, descriptors);
            refuse(&service, &socket, FULL);
            continue;
        }
        let Some(guard) = place(&service, &socket) else {
            continue;
        };
        socket.set_nodelay();
        tokio::task::spawn_local(connection::serve(socket, peer, service.clone(), guard, arrival));
    }
}

/// A place for a connection; none if it was turned away.
fn place(service: &Service, socket: &Socket) -> Option<ConnectionGuard> {
    let gateway = &service.gateway;
    let Some(reason) = hindrance(service) else {
        let guard = gateway.admit();
        if guard.is_none() {
            refuse(service, socket, FULL);
        }
        return guard;
    };
    // A balancer asks for the node's health by a handshake too, and is to find it well.
    let visit = gateway.admit_visit();
    if visit.is_none() {
        gateway.doorkeeper.refused(reason);
        turn_away(socket, true, UNAVAILABLE, COME_BACK, OVERLOADED);
    }
    visit
}

/// Why a connection is not worth a handshake of TLS, which is most of what it costs: its upgrade would be refused. Without TLS
/// the upgrade is answered, because that costs little and says when to come back.
fn hindrance(service: &Service) -> Option<DoorRefusalKind> {
    service.tls.as_ref()?;
    service.gateway.doorkeeper.hindrance(&service.lag)
}

/// Whether a socket has one of the last descriptors, which are not for clients. The system gives the lowest that is
/// free (POSIX), so all below it are taken, by whomever.
fn is_reserved(socket: &Socket, descriptors: Descriptors) -> bool {
    u64::try_from(socket.as_raw_fd()).is_ok_and(|descriptor| descriptor >= descriptors.for_clients())
}

fn log_shortage(gateway: &Gateway, descriptors: Descriptors) {
    static SHORT: LogThrottle = LogThrottle::new();
    if let Some(others) = SHORT.allow() {
        tracing::warn!(
            connections = gateway.connections.load(Ordering::Relaxed),
            open_files = descriptors.limit,
            others,
            "clients are refused, because only the reserved file descriptors are left: raise the limit on open files \
             (ulimit -n, or LimitNOFILE= of systemd)"
        );
    }
}

fn refuse(service: &Service, socket: &Socket, sentence: &str) {
    service.gateway.metrics.refused.inc();
    turn_away(socket, service.tls.is_some(), UNAVAILABLE, COME_BACK, sentence);
}
