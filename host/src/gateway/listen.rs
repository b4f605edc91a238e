//! Sockets to listen on: one a shard on the same address, so that the kernel spreads clients over them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::observe::LogThrottle;

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 4096;
/// How long to wait when the system gives no socket (no file descriptors, no memory).
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A listener for each of `shards`, and their address (with the port that the system chose for port 0).
pub(crate) fn bind_shards(address: SocketAddr, shards: usize) -> io::Result<(Vec<std::net::TcpListener>, SocketAddr)> {
    // Sharing a port is meant for this process's shards only, but the kernel lets any process of the
    // same user in. Asking for the port alone first finds out that another broker has it.
    drop(bind(address, false)?);
    let first = bind(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..shards {
        listeners.push(bind(address, true)?);
    }
    Ok((listeners, address))
}

/// The admin listener, and its address.
pub(crate) fn bind_admin(address: SocketAddr) -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = bind(address, false)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The next connection of a listener. Tries again while the system has no socket.
pub(super) async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    static FAILED: LogThrottle = LogThrottle::new();
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if let Some(others) = FAILED.allow() {
                    tracing::warn!(%error, others, "cannot accept a connection; trying again");
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
