//! Reads the PROXY header of a connection, and not one byte more.

use std::io;

use proxy_protocol::{Examined, HEADER_BYTES, NoProxyHeader, ProxiedPeer, examine};
use thiserror::Error;
use tokio::io::AsyncReadExt as _;

use super::socket::Socket;

/// Why a connection has no PROXY header.
#[derive(Debug, Error)]
pub(super) enum ProxyHeaderError {
    #[error(transparent)]
    None(#[from] NoProxyHeader),
    /// As a balancer does that only looks whether the port is open.
    #[error("the connection ended before its PROXY header")]
    Silent,
    #[error("the connection ended within its PROXY header")]
    Cut,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How long that may take is up to the caller.
pub(super) async fn read(socket: &mut Socket) -> Result<ProxiedPeer, ProxyHeaderError> {
    let mut bytes = Vec::with_capacity(128);
    loop {
        let missing = match examine(&bytes)? {
            Examined::Whole(peer) => return Ok(peer),
            Examined::Missing(missing) => missing,
        };
        debug_assert!(bytes.len() + missing <= HEADER_BYTES, "the reader's own bound");
        let end = bytes.len();
        bytes.resize(end + missing, 0);
        let count = socket.read(&mut bytes[end..]).await?;
        if count == 0 {
            let is_silent = end == 0;
            return Err(if is_silent {
                ProxyHeaderError::Silent
            } else {
                ProxyHeaderError::Cut
            });
        }
        bytes.truncate(end + count);
    }
}
