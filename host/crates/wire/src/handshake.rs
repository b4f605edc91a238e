//! The opening handshake (RFC 6455 4.2) as pure functions over header values. Knows no HTTP library
//! and no socket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use thiserror::Error;

/// Appended to the key before hashing (RFC 6455 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Characters of a key: 16 bytes in base64.
const KEY_CHARS: usize = 24;

/// The parts of an upgrade request that the handshake judges; `None` where the header is absent. The lines of
/// a header that is a list are joined with commas (RFC 9110 5.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct UpgradeRequest<'a> {
    /// Whether the request came as HTTP/1.1: HTTP/1.0 has no upgrade.
    pub is_http_1_1: bool,
    /// The method of the request, as it came.
    pub method: &'a str,
    /// The value of `Upgrade`, a list of protocols.
    pub upgrade: Option<&'a str>,
    /// The value of `Connection`, a list of options.
    pub connection: Option<&'a str>,
    /// `Sec-WebSocket-Version`, which comes once.
    pub version: Option<&'a str>,
    /// `Sec-WebSocket-Key`, which comes once.
    pub key: Option<&'a str>,
}

/// Why a request cannot be upgraded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// HTTP/1.0, most likely from a proxy.
    #[error(
        "the upgrade to WebSocket needs HTTP/1.1, and this request came as HTTP/1.0: a proxy in between has to be set \
         to HTTP/1.1 (nginx: proxy_http_version 1.1)"
    )]
    HttpVersion,
    /// Only GET can be upgraded.
    #[error("the method of an upgrade is GET")]
    Method,
    /// `Upgrade` does not name `websocket`, or `Connection` does not name `Upgrade`: likely a plain
    /// HTTP request.
    #[error(
        "this path is a WebSocket: the request needs Connection: Upgrade and Upgrade: websocket, and a proxy in between \
         has to pass them on"
    )]
    NotAnUpgrade,
    /// Answer with the header `Sec-WebSocket-Version: 13` (RFC 6455 4.4).
    #[error("the request needs Sec-WebSocket-Version: 13")]
    Version,
    /// The key is not 16 bytes in base64.
    #[error("Sec-WebSocket-Key is not 16 bytes in base64")]
    Key,
}

impl HandshakeError {
    /// The HTTP status that refuses the request.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::HttpVersion | Self::NotAnUpgrade | Self::Version => 426,
            Self::Key => 400,
        }
    }
}

/// Judges a request (RFC 6455 4.2.1) and returns the value for `Sec-WebSocket-Accept`.
///
/// # Errors
/// The first rule that the request breaks.
pub fn accept(request: &UpgradeRequest<'_>) -> Result<String, HandshakeError> {
    if !request.is_http_1_1 {
        return Err(HandshakeError::HttpVersion);
    }
    if request.method != "GET" {
        return Err(HandshakeError::Method);
    }
    let names = |header: Option<&str>, word: &str| {
        header.is_some_and(|value| tokens(value).any(|token| token.eq_ignore_ascii_case(word)))
    };
    if !names(request.upgrade, "websocket") || !names(request.connection, "upgrade") {
        return Err(HandshakeError::NotAnUpgrade);
    }
    if request.version.map(str::trim) != Some("13") {
        return Err(HandshakeError::Version);
    }
    let key = request
        .key
        .map(str::trim)
        .filter(|key| is_key(key))
        .ok_or(HandshakeError::Key)?;
    Ok(accept_key(key))
}

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 4.2.2, step 5.4).
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

/// The words of a header that is a comma-separated list, such as `Connection` or
/// `Sec-WebSocket-Protocol`.
pub fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// 22 characters hold 16 bytes. The last one has four bits to spare, which should be 0. They are not judged: some
/// clients draw random letters, and the key is only ever hashed as text.
fn is_key(key: &str) -> bool {
    let Some(digits) = key.strip_suffix("==") else {
        return false;
    };
    key.len() == KEY_CHARS
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
