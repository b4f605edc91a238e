//! The end of a connection on its stream: the closing frames, and the time that both sides have for them.

use std::time::Duration;

use tokio::io::Interest;

use super::ending::Ending;
use crate::hub::ClientConnection;
use protocol::codes;
use protocol::write;
use wall_clock::now_ms;
use wire;

/// How long the closing frames may take to be written.
const CLOSING_FRAMES: Duration = Duration::from_secs(5);
/// How long a client may take to close its side after them …
const HANG_UP: Duration = Duration::from_secs(2);
/// … and how much it may go on to send, so much at once.
const REST_BYTES: usize = 1_048_576;
const REST_AT_ONCE: usize = 4_096;

/// Queues the closing frames.
pub(super) fn push_closing_frames(client: &ClientConnection, ending: &Ending) {
    let disconnect = |code, retry_after_ms| wire::text_frame(write::disconnect(now_ms(), code, retry_after_ms));
    match ending {
        Ending::Close { code, retry_after_ms } => {
            let words = [
                disconnect(*code, *retry_after_ms),
                wire::close_frame(code.number, code.reason),
            ];
            client.push_closing(words, *code == codes::SLOW_CONSUMER);
        }
        Ending::BadProtocol(why) => {
            let code = codes::BAD_PROTOCOL;
            client.push_closing([disconnect(code, None), wire::close_frame(code.number, why)], false);
        }
        Ending::Wire(error) => {
            client.push_closing([wire::close_frame(error.close_code(), &error.to_string())], false);
        }
        Ending::Client(code) => client.push_closing([wire::close_frame(*code, "")], false),
        Ending::Gone => client.push_closing([], true),
    }
}

/// Writes what is left, ends the sending side, and waits for the client to do the same: a socket that
/// is closed with unread bytes would take the closing frames back (RFC 1122 4.2.2.13).
pub(super) async fn hang_up(client: &ClientConnection) {
    let written = async {
        client.flush();
        while client.is_blocked() && !client.is_broken() {
            if client.stream.ready(Interest::WRITABLE).await.is_err() {
                return;
            }
            client.unblock();
        }
    };
    if tokio::time::timeout(CLOSING_FRAMES, written).await.is_err() {
        return;
    }
    client.stream.shutdown();
    let silence = async {
        let mut rest = [0; REST_AT_ONCE];
        let mut bytes = 0;
        while bytes < REST_BYTES && client.stream.ready(Interest::READABLE).await.is_ok() {
            match client.stream.try_read(&mut rest) {
                Ok(0) => return,
                Ok(read) => bytes += read,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
            // A client that never stops sending is always ready, and others have something to do too.
            tokio::task::yield_now().await;
        }
    };
    drop(tokio::time::timeout(HANG_UP, silence).await);
}
