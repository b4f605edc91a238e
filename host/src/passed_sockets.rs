//! Listening sockets that another process opened for this one: systemd, or the broker that this one takes over from; and those
//! that this one holds for the next. Knows which listener each is for, and nothing of what is done with it.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf, absolute};

use config::{ListenAddress, Server};
use socket2::{Socket, Type};
use thiserror::Error;

/// The sockets that nobody has taken yet.
#[derive(Debug, Default)]
pub struct PassedSockets(Vec<PassedSocket>);

/// One of them.
#[derive(Debug)]
pub(crate) struct PassedSocket {
    pub socket: Socket,
    /// Whether the file of a Unix socket is this process's to take away.
    pub owns_file: bool,
    origin: PassedBy,
}

/// Who passed it.
#[derive(Debug)]
enum PassedBy {
    /// It belongs to the listener with the address that it has.
    Manager {
        /// How messages call it.
        label: String,
        address: ListenAddress,
    },
    /// It belonged to this listener, whose port the system may have chosen.
    Predecessor(ListenerKey),
}

/// A listener of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenerKey {
    pub role: ListenerRole,
    /// As the config has it.
    pub address: ListenAddress,
    /// Its place among the listeners: several may ask for any free port.
    pub number: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenerRole {
    Clients,
    Admin,
}

/// A listening socket that this process holds beside those who accept on it, to pass it to the next one.
#[derive(Debug)]
pub(crate) struct HeldSocket {
    pub key: ListenerKey,
    pub socket: Socket,
    /// Whether the file of a Unix socket is this process's to take away.
    pub owns_file: bool,
}

/// Why a socket that was passed cannot be used.
#[derive(Debug, Error)]
pub enum PassedSocketError {
    #[error("LISTEN_FDS={0:?} is no number of descriptors")]
    Count(String),
    #[error("{0} was passed by LISTEN_FDS, and is not open")]
    NotOpen(String),
    #[error("{0} was passed, and is no stream socket that listens on an IP address or a path")]
    NotListening(String),
    #[error(
        "{label} was passed, and listens on {address}, which is neither in server.listen nor server.admin_listen: write \
         the address into one of them, exactly so, or pass no socket for it"
    )]
    FitsNone { label: String, address: ListenAddress },
    #[error("{label} was passed, and listens on {address}, as another one does: server.admin_listen has one socket")]
    Twice { label: String, address: ListenAddress },
}

// === impl PassedSocket ===

impl PassedSocket {
    /// A socket that listens, with the address that the system says.
    pub(crate) fn by_manager(descriptor: OwnedFd, label: String) -> Result<Self, PassedSocketError> {
        let socket = Socket::from(descriptor);
        let listens = socket.is_listener().unwrap_or(false) && socket.r#type().is_ok_and(|kind| kind == Type::STREAM);
        match listens.then(|| address_of(&socket)).flatten() {
            Some(address) => Ok(Self {
                socket,
                owns_file: false,
                origin: PassedBy::Manager { label, address },
            }),
            None => Err(PassedSocketError::NotListening(label)),
        }
    }

    /// A socket of the process that this one takes over from.
    pub(crate) fn by_predecessor(descriptor: OwnedFd, key: ListenerKey, owns_file: bool) -> Self {
        Self {
            socket: Socket::from(descriptor),
            owns_file,
            origin: PassedBy::Predecessor(key),
        }
    }

    fn fits(&self, role: ListenerRole, wanted: &ListenAddress) -> bool {
        match &self.origin {
            PassedBy::Manager { address, .. } => is_same(address, wanted),
            PassedBy::Predecessor(key) => key.role == role && is_same(&key.address, wanted),
        }
    }

    /// Its listener's place among others with the same address.
    fn number(&self) -> usize {
        match &self.origin {
            PassedBy::Manager { .. } => 0,
            PassedBy::Predecessor(key) => key.number,
        }
    }
}

fn address_of(socket: &Socket) -> Option<ListenAddress> {
    let address = socket.local_addr().ok()?;
    let of_path = || address.as_pathname().map(|path| ListenAddress::Unix(path.to_owned()));
    address.as_socket().map(ListenAddress::Tcp).or_else(of_path)
}

// === impl PassedSockets ===

impl PassedSockets {
    pub(crate) fn push(&mut self, socket: PassedSocket) {
        self.0.push(socket);
    }

    /// Whether each that a service manager passed is for a listener of the config. One that was a listener's before may be none's
    /// now.
    pub(crate) fn check(&self, server: &Server) -> Result<(), PassedSocketError> {
        let admin = server.admin_listen.map(ListenAddress::Tcp);
        let mut has_admin = false;
        for passed in &self.0 {
            let PassedBy::Manager { label, address } = &passed.origin else {
                continue;
            };
            let (label, address) = (label.clone(), address.clone());
            if admin.as_ref().is_some_and(|admin| is_same(admin, &address)) {
                if has_admin {
                    return Err(PassedSocketError::Twice { label, address });
                }
                has_admin = true;
            } else if !server
                .listen
                .iter()
                .any(|listener| is_same(&listener.address, &address))
            {
                return Err(PassedSocketError::FitsNone { label, address });
            }
        }
        Ok(())
    }

    /// Those of one listener, in the order in which they were passed.
    pub(crate) fn take(&mut self, role: ListenerRole, address: &ListenAddress) -> Vec<PassedSocket> {
        let first = self.0.iter().find(|passed| passed.fits(role, address));
        let Some(number) = first.map(PassedSocket::number) else {
            return Vec::new();
        };
        let is_meant = |passed: &mut PassedSocket| passed.fits(role, address) && passed.number() == number;
        self.0.extract_if(.., is_meant).collect()
    }

    /// What no listener of the config has taken: the paths of the Unix sockets among them that are to be taken away. They are
    /// closed.
    pub(crate) fn close(self) -> Vec<PathBuf> {
        let left = self.0.into_iter().filter(|passed| passed.owns_file);
        let path = |passed: PassedSocket| match passed.origin {
            PassedBy::Predecessor(ListenerKey {
                address: ListenAddress::Unix(path),
                ..
            }) => Some(path),
            _ => None,
        };
        left.filter_map(path).collect()
    }
}

/// Whether a socket that listens on the one listens on the other.
fn is_same(one: &ListenAddress, other: &ListenAddress) -> bool {
    match (one, other) {
        (ListenAddress::Tcp(one), ListenAddress::Tcp(other)) => endpoint(one) == endpoint(other),
        (ListenAddress::Unix(one), ListenAddress::Unix(other)) => whole(one) == whole(other),
        _ => false,
    }
}

/// Without the parts of an IPv6 address that differ though the socket is the same.
fn endpoint(address: &SocketAddr) -> (IpAddr, u16) {
    (address.ip(), address.port())
}

fn whole(path: &Path) -> PathBuf {
    absolute(path).unwrap_or_else(|_| path.to_owned())
}
