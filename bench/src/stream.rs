//! What a connection reads from and writes to: its socket, or TLS on it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The name that the server's certificate must be for.
const NAME: &str = "localhost";

/// A connection's stream. Nonblocking once it is made.
pub(crate) enum LoadStream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Whom to trust.
#[derive(Clone)]
pub(crate) struct Trust(Arc<ClientConfig>);

// === impl Trust ===

impl Trust {
    /// The authorities of a file in PEM.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).with_context(|| file.display().to_string())? {
            roots.add(certificate?)?;
        }
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Every connection makes a handshake of its own, as those of different people do.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }
}

// === impl LoadStream ===

impl LoadStream {
    /// Makes the handshake, if there is somebody to trust, and does not block afterwards.
    pub(crate) fn new(mut socket: TcpStream, trust: Option<&Trust>) -> Result<Self> {
        let Some(Trust(config)) = trust else {
            socket.set_nonblocking(true)?;
            return Ok(Self::Plain(socket));
        };
        let mut tls = ClientConnection::new(config.clone(), ServerName::try_from(NAME)?)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).context("the TLS handshake")?;
        }
        socket.set_nonblocking(true)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, socket))))
    }
}

impl Read for LoadStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for LoadStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl AsFd for LoadStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            Self::Tls(stream) => stream.sock.as_fd(),
        }
    }
}
