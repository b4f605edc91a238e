//! The accept loop: limits at the door, HTTP until the upgrade, and a task for each connection.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::{Accepted, Gateway, call};
use crate::shard::Shard;

/// Bytes of a request's head at most; more is answered with 431.
const HEAD_BYTES: usize = 16_384;
/// How long to wait when the system gives no socket (no file descriptors, no memory).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Lets clients in, for ever.
pub async fn accept(listener: TcpListener, gateway: Arc<Gateway>, shard: Rc<Shard>) {
    let router = super::router(&gateway);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        if gateway.closed.load(Ordering::Relaxed) {
            continue;
        }
        let Some(place) = Place::take(&gateway) else {
            gateway.metrics.refused.inc();
            say_full(&stream);
            continue;
        };
        // A message is small and should leave now: it waits for no acknowledgement of the one before.
        drop(stream.set_nodelay(true));
        let connection = serve(
            stream,
            peer,
            router.clone(),
            gateway.header_timeout,
            shard.clone(),
            place,
        );
        tokio::task::spawn_local(connection);
    }
}

/// One of the node's connections, given back when dropped.
struct Place(Arc<Gateway>);

impl Place {
    fn take(gateway: &Arc<Gateway>) -> Option<Self> {
        let place = Self(gateway.clone());
        // Counted first, so that two shards cannot both take the last place; a place not had is given back.
        let taken = gateway.connections.fetch_add(1, Ordering::Relaxed);
        (taken < gateway.max_connections).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn say_full(stream: &TcpStream) {
    // As much as a fresh socket takes without waiting; a client that gets none of it sees a close.
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 18\r\n\r\nthe node is full\r\n";
    drop(socket2::SockRef::from(stream).send(answer));
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    shard: Rc<Shard>,
    place: Place,
) {
    // The session outlives the HTTP connection; so does its place.
    let place = Rc::new(place);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, shard, place) = (router.clone(), shard.clone(), place.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let mut response = call(router, request).await?;
            if let Some(accepted) = response.extensions_mut().remove::<Accepted>() {
                tokio::task::spawn_local(async move {
                    let Some((session, early)) = accepted.open(&shard).await else {
                        return;
                    };
                    // A task of its own: a connection at rest holds nothing of how it was opened.
                    tokio::task::spawn_local(async move {
                        session.serve(early).await;
                        drop(place);
                    });
                });
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%peer, %error, "an HTTP connection failed");
    }
}

/// Serves the admin listener, for ever.
pub async fn serve_admin(listener: TcpListener, router: Router, header_timeout: Duration) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let router = router.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            call(router.clone(), request)
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_buf_size(HEAD_BYTES);
        tokio::spawn(async move {
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%peer, %error, "an admin connection failed");
            }
        });
    }
}
