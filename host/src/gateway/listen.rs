//! Sockets to listen on: one a shard on the same address, so that the kernel spreads clients over them.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::socket::Socket;
use super::unix_socket::{self, SocketFile};
use crate::observe::LogThrottle;
use config::{ListenAddress, ListenerSettings};

/// Connections the kernel keeps until they are accepted; it takes `net.core.somaxconn` where that is less.
const BACKLOG: i32 = 65_535;
/// How long to wait when the system gives no socket (no file descriptors, no memory).
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// What clients connect to, on all shards.
#[derive(Debug, Default)]
pub(crate) struct ClientListeners {
    /// Of each shard.
    pub shards: Vec<Vec<ShardListener>>,
    /// What is listened on, as it is told, with the ports that the system chose for port 0.
    pub addresses: Vec<String>,
    /// Those that have to be taken away in the end.
    pub files: Vec<SocketFile>,
}

/// A shard's socket of one listener.
#[derive(Debug)]
pub(crate) struct ShardListener {
    socket: BoundSocket,
    /// Whether each connection begins with a PROXY header.
    pub(super) proxy_protocol: bool,
    /// Whether it speaks TLS.
    pub(super) tls: bool,
}

#[derive(Debug)]
enum BoundSocket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// A socket of a shard that runs.
pub(super) enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

// === impl ClientListeners ===

impl ClientListeners {
    /// For each of `shards`. What cannot be listened on comes back with the reason.
    pub(crate) fn bind(listeners: &[ListenerSettings], shards: usize) -> Result<Self, (ListenAddress, io::Error)> {
        let mut bound = Self::default();
        bound.shards.resize_with(shards, Vec::new);
        for listener in listeners {
            bound.add(listener).map_err(|error| (listener.address.clone(), error))?;
        }
        Ok(bound)
    }

    fn add(&mut self, listener: &ListenerSettings) -> io::Result<()> {
        let sockets = match &listener.address {
            ListenAddress::Tcp(address) => {
                let (sockets, address) = bind_shared(*address, self.shards.len())?;
                let scheme = if listener.tls { "https" } else { "http" };
                self.addresses.push(format!("{scheme}://{address}"));
                sockets
            }
            ListenAddress::Unix(path) => {
                let (socket, file) = unix_socket::bind(path)?;
                self.addresses.push(listener.address.to_string());
                self.files.push(file);
                // One queue for all of them: whichever is free first takes the next.
                let sockets = self.shards.iter().map(|_| socket.try_clone().map(BoundSocket::Unix));
                sockets.collect::<io::Result<_>>()?
            }
        };
        for (shard, socket) in self.shards.iter_mut().zip(sockets) {
            shard.push(ShardListener {
                socket,
                proxy_protocol: listener.proxy_protocol,
                tls: listener.tls,
            });
        }
        Ok(())
    }
}

/// Sockets of `shards` on the same address, and that address.
fn bind_shared(address: SocketAddr, shards: usize) -> io::Result<(Vec<BoundSocket>, SocketAddr)> {
    // Sharing a port is meant for this process's shards only, but the kernel lets any process of the
    // same user in. Asking for the port alone first finds out that another broker has it.
    drop(bind(address, false)?);
    let first = bind(address, true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![BoundSocket::Tcp(first)];
    for _ in 1..shards {
        sockets.push(BoundSocket::Tcp(bind(address, true)?));
    }
    Ok((sockets, address))
}

/// The admin listener, and its address.
pub(crate) fn bind_admin(address: SocketAddr) -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = bind(address, false)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The next connection of a listener. Tries again while the system has no socket.
pub(super) async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    accepted(|cx| listener.poll_accept(cx)).await
}

async fn accepted<T>(mut poll_accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> T {
    static FAILED: LogThrottle = LogThrottle::new();
    loop {
        match poll_fn(&mut poll_accept).await {
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

// === impl ShardListener ===

impl ShardListener {
    /// On the shard's own runtime.
    pub(super) fn open(self) -> io::Result<Accepting> {
        match self.socket {
            BoundSocket::Tcp(socket) => TcpListener::from_std(socket).map(Accepting::Tcp),
            BoundSocket::Unix(socket) => UnixListener::from_std(socket).map(Accepting::Unix),
        }
    }
}

// === impl Accepting ===

impl Accepting {
    /// The next connection, and the address that it comes from; none over a Unix socket. Tries again while the system has
    /// no socket.
    pub(super) async fn next(&self) -> (Socket, Option<IpAddr>) {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = next(listener).await;
                (Socket::Tcp(stream), Some(peer.ip()))
            }
            Self::Unix(listener) => {
                let (stream, _unnamed) = accepted(|cx| listener.poll_accept(cx)).await;
                (Socket::Unix(stream), None)
            }
        }
    }
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
