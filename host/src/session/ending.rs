//! How a connection ends: with a last word, and with everything it held given back.

use std::time::Duration;

use socket2::SockRef;

use super::Session;
use crate::hub::Line;
use crate::protocol::codes::{self, CloseCode};
use crate::protocol::write;
use crate::wall_clock::now_ms;
use crate::wire::{self, WireError};

/// How long the last words may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a client may take to hang up after them.
const HANG_UP: Duration = Duration::from_secs(2);
/// RFC 6455 7.1.5: what is told of a connection that ended without a close frame.
const ABNORMAL: u16 = 1006;
/// RFC 6455 7.1.5: what is told of a close frame without a code.
const NO_STATUS: u16 = 1005;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The broker ends it.
    Close {
        /// With which code.
        code: CloseCode,
        /// When to come back.
        retry_after_ms: Option<u64>,
    },
    /// What came is not the protocol.
    BadProtocol(String),
    /// What came is not WebSocket.
    Wire(WireError),
    /// The client said goodbye, with this code.
    Client(Option<u16>),
    /// The socket is at its end.
    Gone,
}

impl Ending {
    pub fn close(code: CloseCode) -> Self {
        Self::Close {
            code,
            retry_after_ms: None,
        }
    }

    pub fn bad_protocol(why: String) -> Self {
        Self::BadProtocol(why)
    }

    /// The code that plugins and metrics are told.
    fn code(&self) -> u16 {
        match self {
            Self::Close { code, .. } => code.number,
            Self::BadProtocol(_) => codes::BAD_PROTOCOL.number,
            Self::Wire(error) => error.close_code(),
            Self::Client(code) => code.unwrap_or(NO_STATUS),
            Self::Gone => ABNORMAL,
        }
    }
}

impl Session {
    pub(super) async fn end(mut self: Box<Self>, ending: Ending) {
        let code = ending.code();
        tracing::debug!(session = %self.line.session, tenant = %self.caller.tenant, code, ?ending, "connection ends");
        // First out of everyone's sight, then the last word: nothing may come after it.
        self.subscriptions.clear();
        if self.seat.take().is_some() {
            self.tenant.chain().disconnect(&self.caller, code);
        }
        self.clear_alarm();
        self.shard.common.metrics.disconnected(code);
        self.say_last_words(&ending);
        if !matches!(ending, Ending::Gone) {
            Box::pin(hang_up(&self.line)).await;
        }
        self.line.abandon();
        self.clock.meter_outbox(&self.line, &self.shard.common.metrics);
    }

    fn say_last_words(&self, ending: &Ending) {
        let disconnect = |code, retry_after_ms| wire::text_frame(write::disconnect(now_ms(), code, retry_after_ms));
        match ending {
            Ending::Close { code, retry_after_ms } => {
                let words = [
                    disconnect(*code, *retry_after_ms),
                    wire::close_frame(code.number, code.reason),
                ];
                self.line.push_last(words, *code == codes::SLOW_CONSUMER);
            }
            Ending::BadProtocol(why) => {
                let code = codes::BAD_PROTOCOL;
                self.line
                    .push_last([disconnect(code, None), wire::close_frame(code.number, why)], false);
            }
            Ending::Wire(error) => {
                let close = wire::close_frame(error.close_code(), &error.to_string());
                self.line.push_last([close], false);
            }
            Ending::Client(code) => {
                self.line.push_last([wire::close_frame(*code, "")], false);
            }
            Ending::Gone => self.line.push_last([], true),
        }
    }
}

/// Writes what is left, ends the sending side, and waits for the client to do the same: a socket that
/// is closed with unread bytes would take the last words back (RFC 1122 4.2.2.13).
async fn hang_up(line: &Line) {
    let written = async {
        line.flush();
        while line.is_blocked() && !line.is_broken() {
            if line.stream.writable().await.is_err() {
                return;
            }
            line.unblock();
        }
    };
    if tokio::time::timeout(LAST_WORDS, written).await.is_err() {
        return;
    }
    drop(SockRef::from(&line.stream).shutdown(std::net::Shutdown::Write));
    let silence = async {
        let mut rest = [0; 1024];
        while line.stream.readable().await.is_ok() {
            match line.stream.try_read(&mut rest) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    };
    drop(tokio::time::timeout(HANG_UP, silence).await);
}
