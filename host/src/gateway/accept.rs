//! The accept loop of a shard: limits before any request, and a task for each connection.

use std::io::Read as _;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::{TcpListener, TcpStream};

use super::connection::{self, Service};
use super::state::Gateway;
use super::{listen, routes};
use crate::observe::LogThrottle;
use crate::shard::Shard;
use config::Descriptors;

/// For a client that comes while the node has its maximum of connections.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 17\r\n\r\n\
                      the node is full\n";
/// For a client that comes while the node drains.
const CLOSED: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 26\r\n\r\n\
                        the node is shutting down\n";
/// Bytes that are read, if they are there, of a client that is refused.
const REQUEST_BYTES: usize = 16_384;

/// Accepts clients, for ever.
pub(crate) async fn accept(listener: TcpListener, gateway: Arc<Gateway>, shard: Rc<Shard>) {
    let service = Service {
        router: routes::router(&gateway),
        header_timeout: gateway.header_timeout,
        shard,
    };
    let descriptors = Descriptors::here();
    loop {
        let (stream, peer) = listen::next(&listener).await;
        if gateway.closed.load(Ordering::Relaxed) {
            refuse(&gateway, &stream, CLOSED);
            continue;
        }
        if is_reserved(&stream, descriptors) {
            log_shortage(&gateway, descriptors);
            refuse(&gateway, &stream, FULL);
            continue;
        }
        let Some(guard) = gateway.admit() else {
            refuse(&gateway, &stream, FULL);
            continue;
        };
        // A message is small and should leave now: it waits for no acknowledgement of the one before.
        drop(stream.set_nodelay(true));
        tokio::task::spawn_local(connection::serve(stream, peer, service.clone(), guard));
    }
}

/// Whether a socket has one of the last descriptors, which are not for clients. The system gives the lowest that is
/// free (POSIX), so all below it are taken, by whomever.
fn is_reserved(stream: &TcpStream, descriptors: Descriptors) -> bool {
    u64::try_from(stream.as_raw_fd()).is_ok_and(|descriptor| descriptor >= descriptors.for_clients())
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

fn refuse(gateway: &Gateway, stream: &TcpStream, answer: &[u8]) {
    gateway.metrics.refused.inc();
    let socket = socket2::SockRef::from(stream);
    // As much as a fresh socket takes without waiting; a client that gets none of it sees a close.
    drop(socket.send(answer));
    // A request that is there already is taken: closing a socket with unread bytes takes the answer back.
    drop((&*socket).read(&mut [0; REQUEST_BYTES]));
}
