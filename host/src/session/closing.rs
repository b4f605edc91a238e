//! The end of a connection on its stream: the closing frames, and the time that both sides have for them.

use std::time::Duration;

use tokio::io::Interest;
use tokio::time::timeout;

use super::ending::Ending;
use crate::hub::ClientConnection;
use protocol::codes;
use protocol::write;
use wall_clock::now_ms;

/// How long the closing frames may take to be written.
const CLOSING_FRAMES: Duration = Duration::from_secs(5);
/// How long a client may take to close its side after them …
const HANG_UP: Duration = Duration::from_secs(2);
/// … and how much it may go on to send, so much at once.
const REST_BYTES: usize = 1_048_576;
const REST_AT_ONCE: usize = 4_096;

/// Queues the closing frames.
pub(super) fn push_closing_frames(client: &ClientConnection, ending: &Ending) {
    let framing = client.framing;
    let codec = client.codec;
    let disconnect =
        |code, retry_after_ms| framing.push(codec, &write::disconnect(codec, now_ms(), code, retry_after_ms));
    let close = |code: Option<u16>, reason: &str| framing.close(code, reason);
    match ending {
        Ending::Close { code, retry_after_ms } => {
            let frames = [
                retry_after_ms.and_then(|ms| framing.come_back(ms)),
                Some(disconnect(*code, *retry_after_ms)),
                close(Some(code.number), code.reason),
            ];
            client.push_closing(frames.into_iter().flatten(), *code == codes::SLOW_CONSUMER);
        }
        Ending::BadProtocol(why) => {
            let code = codes::BAD_PROTOCOL;
            let frames = [Some(disconnect(code, None)), close(Some(code.number), why)];
            client.push_closing(frames.into_iter().flatten(), false);
        }
        Ending::Wire(error) => client.push_closing(close(Some(error.close_code()), &error.to_string()), false),
        Ending::Client(code) => client.push_closing(close(*code, ""), false),
        Ending::Refused(_) => client.push_closing(None, false),
        Ending::Gone => client.push_closing(None, true),
    }
}

/// Writes what is left, ends the sending side, and waits for the client to do the same: a socket that
/// is closed with unread bytes would take the closing frames back (RFC 1122 4.2.2.13).
pub(super) async fn end_stream(client: &ClientConnection) {
    let written = async {
        client.flush();
        while client.is_blocked() && !client.is_broken() {
            if client.carrier.ready(Interest::WRITABLE).await.is_err() {
                return;
            }
            client.unblock();
        }
    };
    if timeout(CLOSING_FRAMES, written).await.is_err() {
        return;
    }
    client.carrier.shutdown();
    let silence = async {
        let mut rest = [0; REST_AT_ONCE];
        let mut bytes = 0;
        while bytes < REST_BYTES && client.carrier.ready(Interest::READABLE).await.is_ok() {
            match client.carrier.try_read(&mut rest) {
                Ok(0) => return,
                Ok(read) => bytes += read,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
            // A client that never stops sending is always ready, and others have something to do too.
            tokio::task::yield_now().await;
        }
    };
    drop(timeout(HANG_UP, silence).await);
}
