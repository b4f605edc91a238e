//! One connection of the public listener: HTTP until an upgrade is answered, then a session.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http;
use super::state::ConnectionGuard;
use super::upgrade::Accepted;
use crate::observe::LogThrottle;
use crate::shard::Shard;

/// For a request whose head did not end in time.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 40\r\n\r\n\
                          the request's head did not come in time\n";

/// How a client begins that speaks HTTP/2 without asking (RFC 9113 3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";
const NOT_HTTP_2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\nContent-Length: 42\r\n\r\n\
                            this listener speaks HTTP/1.1, not HTTP/2\n";
/// How long, and how much, a client may go on to send after its request was refused.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1_048_576;

/// How the public listener serves its connections.
#[derive(Clone)]
pub(super) struct Service {
    pub router: Router,
    /// From the accept to the end of a request's head.
    pub header_timeout: Duration,
    pub shard: Rc<Shard>,
}

/// Serves a connection until it is closed, or handed over to a session.
pub(super) async fn serve(mut stream: TcpStream, peer: SocketAddr, service: Service, guard: ConnectionGuard) {
    let Service {
        router,
        header_timeout,
        shard,
    } = service;
    let accepted: Rc<RefCell<Option<Accepted>>> = Rc::default();
    let answered = accepted.clone();
    let routes = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, answered) = (router.clone(), answered.clone());
        Box::pin(async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let mut response = http::call(router, request).await?;
            *answered.borrow_mut() = response.extensions_mut().remove::<Accepted>();
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = http::builder(header_timeout).serve_connection(TokioIo::new(stream), routes);
    // Without the shutdown of the socket: after an upgrade it is the session's.
    let served = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let parts = connection.into_parts();
    stream = parts.io.into_inner();
    let accepted = accepted.take();
    match (served, accepted) {
        (Ok(()), Some(accepted)) => {
            let Some(session) = accepted.open(stream, &shard) else {
                return;
            };
            // A task of its own: a connection at rest holds nothing of how it was opened.
            tokio::task::spawn_local(async move {
                session.serve(parts.read_buf).await;
                drop(guard);
            });
        }
        (Ok(()), None) => drop(stream.shutdown().await),
        (Err(error), _) => refuse(stream, peer, &error, &parts.read_buf).await,
    }
}

/// Answers a request that could not be read, where hyper did not, and says so in the log.
async fn refuse(mut stream: TcpStream, peer: SocketAddr, error: &hyper::Error, unread: &[u8]) {
    static UNREADABLE: LogThrottle = LogThrottle::new();
    // A connection that was silent between two requests is closed without a word.
    let is_slow = error.is_timeout() && !unread.is_empty();
    if !error.is_parse() && !is_slow {
        tracing::debug!(%peer, %error, "an HTTP connection failed");
        return;
    }
    if let Some(others) = UNREADABLE.allow() {
        tracing::info!(%peer, %error, others, "a request could not be read");
    }
    // As much as the socket takes without waiting.
    if is_slow {
        drop(stream.try_write(TOO_SLOW));
    } else if unread.starts_with(HTTP_2) {
        drop(stream.try_write(NOT_HTTP_2));
    }
    linger(&mut stream).await;
}

/// Ends what is sent, and reads on for a while: closing a socket with unread bytes takes the answer back.
async fn linger(stream: &mut TcpStream) {
    let shut = stream.shutdown().await.is_ok();
    let reading = async {
        let mut unread = [0; 4_096];
        let mut bytes = 0;
        while bytes < LINGER_BYTES {
            match stream.read(&mut unread).await {
                Ok(read @ 1..) => bytes += read,
                _ => break,
            }
        }
    };
    if shut {
        drop(tokio::time::timeout(LINGER, reading).await);
    }
}
