//! Answers to connections that are turned away before HTTP is spoken.

use std::io::Read as _;
use std::time::Duration;

use super::socket::Socket;

/// Bytes that are read, if they are there, of a client that is refused.
const REQUEST_BYTES: usize = 16_384;
/// How far apart those who are refused at once are told to come back.
const SPREAD_SECONDS: u64 = 5;
/// When who is refused for something else than a rate may come back.
pub(super) const COME_BACK: Duration = Duration::from_secs(2);

/// The whole seconds of a `Retry-After`: `wait` or a little more, each time another, so that not all come back at once.
pub(super) fn jittered_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1) + getrandom::u64().unwrap_or_default() % SPREAD_SECONDS
}

/// An alert `internal_error` in a record of its own (RFC 8446 6): before its handshake a client cannot read HTTP.
pub(super) const TLS_REFUSAL: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// Answers with a status (`503 Service Unavailable`) and a sentence, as much as a fresh socket takes without waiting; a
/// client that gets none of it sees a close. `tls`: it has not shaken hands yet, and gets an alert.
pub(super) fn turn_away(socket: &Socket, tls: bool, status: &str, wait: Duration, sentence: &str) {
    let (seconds, length) = (jittered_seconds(wait), sentence.len() + 1);
    let answer = format!(
        "HTTP/1.1 {status}\r\nRetry-After: {seconds}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{sentence}\n"
    );
    let socket = socket2::SockRef::from(socket);
    drop(socket.send(if tls { TLS_REFUSAL } else { answer.as_bytes() }));
    // A request that is there already is taken: closing a socket with unread bytes takes the answer back.
    drop((&*socket).read(&mut [0; REQUEST_BYTES]));
}

#[test]
fn who_is_refused_comes_back_no_sooner_than_he_may() {
    for (ms, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (600_000, 600)] {
        for _ in 0..50 {
            let told = jittered_seconds(Duration::from_millis(ms));
            assert!((seconds..seconds + SPREAD_SECONDS).contains(&told), "{ms} ms: {told} s");
        }
    }
}
