//! HTTP/1 as both listeners speak it, from the first byte of a connection to its end or to an upgrade.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::io::AsyncReadExt as _;
use tower_service::Service;

use super::body_length::{BodyLength, ToldLength};
use super::patient_stream::{self, PatientStream};
use super::socket::Socket;
use crate::observe::LogThrottle;

/// Bytes of a request's head at most; more is answered with 431.
const HEAD_BYTES: usize = 16_384;
/// For a request whose head did not end in time.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 40\r\n\r\n\
                          the request's head did not come in time\n";
/// For a request with a line that ends with LF alone.
const LF_ALONE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 50\r\n\r\n\
                          each line of a request's head ends with CR and LF\n";
/// The first bytes of a client that speaks HTTP/2 without negotiation (RFC 9113 3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";
const NOT_HTTP_2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\nContent-Length: 42\r\n\r\n\
                            this listener speaks HTTP/1.1, not HTTP/2\n";
/// How long, and how much, a client may go on to send after its request was refused.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1_048_576;

/// Serves a connection of `peer`, which every request has among its extensions beside the length of its body, until HTTP is
/// done with it, or its peer takes nothing of an answer for too long. `early` was read of it before. Where `answer` gives none, nobody answers here, and HTTP is done with the
/// connection. Gives the socket back, open, with what was read of it beyond the last request; none if a request could not be
/// read, or the connection broke.
pub(super) async fn serve<Answered, Peer>(
    stream: Socket,
    early: Vec<u8>,
    peer: Peer,
    header_timeout: Duration,
    answer: impl Fn(Request) -> Answered,
) -> Option<(Socket, Vec<u8>)>
where
    Answered: Future<Output = Option<Response>>,
    Peer: Clone + Display + Send + Sync + 'static,
{
    let is_taken = Arc::new(AtomicBool::new(false));
    let told = ToldLength::default();
    let telling = told.clone();
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let length = BodyLength::of(&request);
        telling.tell(length);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(length);
        let (answered, is_taken) = (answer(request), is_taken.clone());
        Box::pin(async move {
            if let Some(mut response) = answered.await {
                if length == BodyLength::Endless && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                return Ok::<_, Infallible>(response);
            }
            is_taken.store(true, Ordering::Relaxed);
            pending().await
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(PatientStream::new(stream, early, told), service);
    // The socket is not shut down: after an upgrade the connection goes on.
    let served = poll_fn(|cx| match connection.poll_without_shutdown(cx) {
        Poll::Pending if is_taken.load(Ordering::Relaxed) => Poll::Ready(Ok(())),
        served => served,
    })
    .await;
    let parts = connection.into_parts();
    let (has_broken_head, has_unwritten) = (parts.io.has_broken_head(), parts.io.has_unwritten());
    let (mut stream, ahead) = parts.io.into_parts();
    // What stands behind a request that somebody else answers is theirs.
    if has_broken_head && !is_taken.load(Ordering::Relaxed) {
        log_unreadable(&peer, "a line ends with LF alone");
        // As much as the socket takes without waiting.
        drop(stream.try_write(LF_ALONE));
        linger(&mut stream).await;
        return None;
    }
    match served {
        // Somebody asked for more without a look at the answers: they are gone, and so is the connection.
        Ok(()) if has_unwritten => None,
        Ok(()) => Some((stream, [&*parts.read_buf, &ahead].concat())),
        Err(error) => {
            refuse(stream, &peer, &error, &parts.read_buf).await;
            None
        }
    }
}

fn log_unreadable(peer: &impl Display, error: impl Display) {
    static UNREADABLE: LogThrottle = LogThrottle::new();
    if let Some(others) = UNREADABLE.allow() {
        tracing::info!(%peer, %error, others, "a request could not be read");
    }
}

/// Calls a router, which is always ready and never fails.
pub(super) async fn call(mut router: Router, request: Request) -> Result<Response, Infallible> {
    router.call(request).await
}

/// Answers a request that could not be read, where hyper did not, and says so in the log.
async fn refuse(mut stream: Socket, peer: &impl Display, error: &hyper::Error, unread: &[u8]) {
    // A connection that was silent between two requests is closed without an answer.
    let is_slow = error.is_timeout() && !unread.is_empty();
    if !error.is_parse() && !is_slow {
        tracing::debug!(%peer, %error, "an HTTP connection failed");
        return;
    }
    log_unreadable(peer, error);
    // As much as the socket takes without waiting.
    if is_slow {
        drop(stream.try_write(TOO_SLOW));
    } else if unread.starts_with(HTTP_2) {
        drop(stream.try_write(NOT_HTTP_2));
    }
    linger(&mut stream).await;
}

/// Ends what is sent, and reads on for a while: closing a socket with unread bytes takes the answer back.
async fn linger(stream: &mut Socket) {
    if patient_stream::end(stream).await.is_err() {
        return;
    }
    let reading = async {
        // On the heap: a connection at rest would hold it as a part of what it may become.
        let mut unread = vec![0; 4_096];
        let mut bytes = 0;
        while bytes < LINGER_BYTES {
            match stream.read(&mut unread).await {
                Ok(read @ 1..) => bytes += read,
                _ => break,
            }
        }
    };
    drop(tokio::time::timeout(LINGER, reading).await);
}
