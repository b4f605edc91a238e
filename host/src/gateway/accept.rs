//! The accept loop of a shard: limits before anything is read, and a task for each connection.

use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::connection::{self, Service};
use super::listen::{Accepting, ShardListener};
use super::routes;
use super::socket::Socket;
use super::state::Gateway;
use super::turned_away::{COME_BACK, turn_away};
use crate::doorkeeper::ShardLag;
use crate::observe::LogThrottle;
use crate::shard::Shard;
use config::Descriptors;

const FULL: &str = "the node is full";
const CLOSED: &str = "the node is shutting down";
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
            Ok(listener) => drop(tokio::task::spawn_local(accept_on(listener, service))),
            Err(error) => tracing::error!(%error, shard = shard.index, "a shard cannot listen"),
        }
    }
}

async fn accept_on(listener: Accepting, service: Service) {
    let gateway = service.gateway.clone();
    let descriptors = Descriptors::here();
    loop {
        let (socket, peer) = listener.next().await;
        if gateway.closed.load(Ordering::Relaxed) && gateway.health.is_none() {
            refuse(&service, &socket, CLOSED);
            continue;
        }
        if is_reserved(&socket, descriptors) {
            log_shortage(&gateway, descriptors);
            refuse(&service, &socket, FULL);
            continue;
        }
        let Some(guard) = gateway.admit() else {
            refuse(&service, &socket, FULL);
            continue;
        };
        socket.set_nodelay();
        tokio::task::spawn_local(connection::serve(socket, peer, service.clone(), guard));
    }
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
