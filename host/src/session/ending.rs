//! Why a connection ends.

use std::borrow::Cow;

use protocol::codes::{self, CloseCode};
use wire::WireError;

/// RFC 6455 7.1.5: the code of a connection that ended without a close frame.
const ABNORMAL: u16 = 1006;
/// RFC 6455 7.1.5: the code of a close frame that has none.
const NO_STATUS: u16 = 1005;
/// RFC 6455 7.4.1 and the IANA registry: the codes that a close frame may have before 3000.
const STANDARD: [u16; 11] = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013];

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
    /// A stream of events was refused, with this error. That was its answer.
    Refused(u16),
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

    /// The code that plugins are given.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Close { code, .. } => code.number,
            Self::BadProtocol(_) => codes::BAD_PROTOCOL.number,
            Self::Refused(error) => codes::close_after_refused_connect(*error).number,
            Self::Wire(error) => error.close_code(),
            Self::Client(code) => code.unwrap_or(NO_STATUS),
            Self::Gone => ABNORMAL,
        }
    }

    /// The code as metrics show it. Neither a client nor a plugin chooses what is written there: of a client's codes only
    /// those of the standard count by their number, and those that plugins and the operator choose count as one.
    pub(super) fn label(&self) -> Cow<'static, str> {
        match self {
            Self::Close { code, .. } if codes::plugin_close(code.number).is_some() => "plugin".into(),
            Self::Client(Some(code)) if !STANDARD.contains(code) => "other".into(),
            _ => self.code().to_string().into(),
        }
    }
}
