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
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::http;
use super::state::ConnectionGuard;
use super::upgrade::Accepted;
use crate::observe::Seldom;
use crate::shard::Shard;

/// For a request whose head did not end in time.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 40\r\n\r\n\
                          the request's head did not come in time\n";

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
        (Err(error), _) => {
            // A connection that was silent between two requests is closed without a word.
            if error.is_timeout() && !parts.read_buf.is_empty() {
                drop(stream.try_write(TOO_SLOW));
            }
            log(peer, &error);
        }
    }
}

fn log(peer: SocketAddr, error: &hyper::Error) {
    static FAILED: Seldom = Seldom::new();
    // Others are connections that broke, which happens all the time.
    if !error.is_parse() && !error.is_timeout() {
        tracing::debug!(%peer, %error, "an HTTP connection failed");
    } else if let Some(others) = FAILED.now() {
        tracing::info!(%peer, %error, others, "a request could not be read");
    }
}
