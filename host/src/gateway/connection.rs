//! One connection of the public listener: HTTP until an upgrade is answered, then a session.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::http;
use super::state::ConnectionGuard;
use super::upgrade::Accepted;
use crate::shard::Shard;

/// How the public listener serves its connections.
#[derive(Clone)]
pub(super) struct Service {
    pub router: Router,
    /// From the accept to the end of a request's head.
    pub header_timeout: Duration,
    pub shard: Rc<Shard>,
}

/// Serves a connection until it is closed, or handed over to a session.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, service: Service, guard: ConnectionGuard) {
    let Service {
        router,
        header_timeout,
        shard,
    } = service;
    let accepted: Rc<RefCell<Option<Accepted>>> = Rc::default();
    let asked = {
        let accepted = accepted.clone();
        move || {
            let accepted = accepted.clone();
            move |response: &mut Response| {
                *accepted.borrow_mut() = response.extensions_mut().remove();
                if accepted.borrow().is_none() {
                    // Whoever is refused has to take a connection for its next try, and gets no further answers for nothing.
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
            }
        }
    };
    let Some((mut stream, early)) = http::serve(stream, peer, router, header_timeout, asked).await else {
        return;
    };
    let Some(accepted) = accepted.take() else {
        drop(stream.shutdown().await);
        return;
    };
    let Some(session) = accepted.open(stream, &shard) else {
        return;
    };
    // A task of its own: a connection at rest holds nothing of how it was opened.
    tokio::task::spawn_local(async move {
        session.serve(early).await;
        drop(guard);
    });
}
