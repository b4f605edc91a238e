//! The handshake of TLS, before HTTP: within a time, and with a line in the log when it fails.

use std::fmt::Display;

use tokio::time::{Instant, timeout_at};

use super::listener_tls::ListenerTls;
use super::socket::Socket;
use crate::observe::LogThrottle;
use crate::tls_stream::TlsStream;

/// The socket after the handshake of a listener that speaks TLS; none if there was none until then.
pub(super) async fn shake_hands(
    socket: Socket,
    peer: &impl Display,
    tls: Option<&ListenerTls>,
    until: Instant,
) -> Option<Socket> {
    static FAILED: LogThrottle = LogThrottle::new();
    let (stream, tls) = match (socket, tls) {
        (Socket::Tcp(stream), Some(tls)) => (stream, tls),
        (socket, _) => return Some(socket),
    };
    let config = tls.config();
    let why = match timeout_at(until, TlsStream::accept(stream, &config)).await {
        Ok(Ok(stream)) => return Some(Socket::Tls(Box::new(stream))),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it did not end in time".to_owned(),
    };
    if let Some(others) = FAILED.allow() {
        tracing::info!(%peer, ?why, others, "a TLS handshake failed");
    }
    None
}
