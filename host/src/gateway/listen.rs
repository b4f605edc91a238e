//! Sockets to listen on: one a shard on the same address, so that the kernel spreads clients over them; or those that were passed.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::socket::Socket;
use super::unix_socket::{self, SocketFile};
use crate::observe::LogThrottle;
use crate::passed_sockets::{HeldSocket, ListenerKey, ListenerRole, PassedSocket, PassedSockets};
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
    /// The files of sockets that a predecessor passed. They are its own until this process accepts clients.
    pub other_files: Vec<PathBuf>,
    /// All sockets once more, for a process that takes over.
    pub held: Vec<HeldSocket>,
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
    /// For each of `shards`. Sockets that were passed are used, and no others opened for their addresses. What cannot be
    /// listened on comes back with the reason.
    pub(crate) fn bind(
        listeners: &[ListenerSettings],
        shards: usize,
        passed: &mut PassedSockets,
    ) -> Result<Self, (ListenAddress, io::Error)> {
        let mut bound = Self::default();
        bound.shards.resize_with(shards, Vec::new);
        for (number, listener) in listeners.iter().enumerate() {
            bound
                .add(number, listener, passed.take(ListenerRole::Clients, &listener.address))
                .map_err(|error| (listener.address.clone(), error))?;
        }
        Ok(bound)
    }

    fn add(&mut self, number: usize, listener: &ListenerSettings, passed: Vec<PassedSocket>) -> io::Result<()> {
        let shards = self.shards.len();
        let mut owns_file = false;
        let sockets = if passed.is_empty() {
            match &listener.address {
                ListenAddress::Tcp(address) => bind_shared(*address, shards)?,
                ListenAddress::Unix(path) => {
                    let (socket, file) = unix_socket::bind(path)?;
                    self.files.push(file);
                    owns_file = true;
                    vec![OwnedFd::from(socket).into()]
                }
            }
        } else {
            if let ListenAddress::Unix(path) = &listener.address
                && passed[0].owns_file
            {
                self.other_files.push(path.clone());
                owns_file = true;
            }
            let usable = |passed: PassedSocket| passed.socket.set_nonblocking(true).map(|()| passed.socket);
            passed.into_iter().map(usable).collect::<io::Result<Vec<_>>>()?
        };
        self.addresses.push(match sockets[0].local_addr()?.as_socket() {
            Some(address) if listener.tls => format!("https://{address}"),
            Some(address) => format!("http://{address}"),
            None => listener.address.to_string(),
        });
        // Each shard has a socket, and each socket a shard: nobody may wait at one that nobody looks at. Shards that share a
        // socket have one queue, and whichever is free first takes the next.
        for number in 0..shards.max(sockets.len()) {
            let socket = sockets[number % sockets.len()].try_clone()?;
            self.shards[number % shards].push(ShardListener {
                socket: match &listener.address {
                    ListenAddress::Tcp(_) => BoundSocket::Tcp(socket.into()),
                    ListenAddress::Unix(_) => BoundSocket::Unix(socket.into()),
                },
                proxy_protocol: listener.proxy_protocol,
                tls: listener.tls,
            });
        }
        let key = ListenerKey {
            role: ListenerRole::Clients,
            address: listener.address.clone(),
            number,
        };
        self.held.extend(sockets.into_iter().map(|socket| HeldSocket {
            key: key.clone(),
            socket,
            owns_file,
        }));
        Ok(())
    }
}

/// Sockets of `shards` on the same address.
fn bind_shared(address: SocketAddr, shards: usize) -> io::Result<Vec<socket2::Socket>> {
    // Sharing a port is meant for this process's shards only, but the kernel lets any process of the
    // same user in. Asking for the port alone first finds out that another broker has it.
    drop(bind(address, false)?);
    let first = bind(address, true)?;
    let address = first.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    let mut sockets = vec![first];
    for _ in 1..shards {
        sockets.push(bind(address, true)?);
    }
    Ok(sockets)
}

/// The admin listener, as it is held for a process that takes over.
pub(crate) fn bind_admin(address: SocketAddr, passed: &mut PassedSockets) -> io::Result<HeldSocket> {
    let key = ListenerKey {
        role: ListenerRole::Admin,
        address: ListenAddress::Tcp(address),
        number: 0,
    };
    let socket = match passed.take(key.role, &key.address).pop() {
        Some(passed) => passed.socket,
        None => bind(address, false)?,
    };
    socket.set_nonblocking(true)?;
    Ok(HeldSocket {
        key,
        socket,
        owns_file: false,
    })
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

fn bind(address: SocketAddr, shared: bool) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}
