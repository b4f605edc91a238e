//! Why a connection ends.

use protocol::codes::{self, CloseCode};
use wire::WireError;

/// RFC 6455 7.1.5: the code of a connection that ended without a close frame.
const ABNORMAL: u16 = 1006;
/// RFC 6455 7.1.5: the code of a close frame that has none.
const NO_STATUS: u16 = 1005;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The broker ends it.
    Close {
        code: CloseCode,
        /// When to come back.
        retry_after_ms: Option<u64>,
    },
    /// The client broke the protocol.
    BadProtocol(String),
    /// The client sent no valid WebSocket frames.
    Wire(WireError),
    /// The client closed it, with this code.
    Client(Option<u16>),
    /// The stream is at its end.
    Gone,
}

impl Ending {
    pub(super) fn close(code: CloseCode) -> Self {
        Self::Close {
            code,
            retry_after_ms: None,
        }
    }

    /// The code that plugins and metrics are given.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Close { code, .. } => code.number,
            Self::BadProtocol(_) => codes::BAD_PROTOCOL.number,
            Self::Wire(error) => error.close_code(),
            Self::Client(code) => code.unwrap_or(NO_STATUS),
            Self::Gone => ABNORMAL,
        }
    }
}
