//! The door: sockets, HTTP, upgrades. Knows which tenant a request means and whether it may come in;
//! what is said over a connection is the session's.

mod accept;
mod admin;
mod api;
mod bearer;
mod demo;
mod directory;
mod listen;
mod upgrade;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tower_service::Service;

pub use accept::{accept, serve_admin};
pub use admin::{Readiness, router as admin_router};
pub use api::Api;
pub use directory::Directory;
pub use listen::{bind_admin, bind_shards};
pub use upgrade::Accepted;

use crate::observe::Metrics;

/// What the doors of all shards have in common.
pub struct Gateway {
    /// Which tenants there are; a reload puts a new one in its place.
    pub directory: ArcSwap<Directory>,
    /// Connections of this node at most.
    pub max_connections: usize,
    /// Connections of this node, from accept to the end.
    pub connections: AtomicUsize,
    /// From the accept to the end of a request's head.
    pub header_timeout: Duration,
    /// Shutting down: nobody comes in any more.
    pub closed: AtomicBool,
    /// Serve the demo page and hand out its tokens.
    pub demo: bool,
    /// What is counted.
    pub metrics: Metrics,
}

/// The routes of the public listener.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    let mut router = Router::new()
        .route("/ws", any(upgrade_here))
        .route("/t/{tenant}/ws", any(upgrade_to_tenant));
    if gateway.demo {
        router = router
            .route("/", get(demo::page))
            .route("/demo/tokens", get(demo::tokens));
    }
    router.with_state(gateway.clone())
}

async fn upgrade_here(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    upgrade::answer(&gateway, None, request)
}

async fn upgrade_to_tenant(
    State(gateway): State<Arc<Gateway>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    upgrade::answer(&gateway, Some(&tenant), request)
}

/// A refusal before any session: a status, and a sentence that says what to do.
fn refuse(status: StatusCode, sentence: impl Into<String>) -> Response {
    let mut sentence = sentence.into();
    sentence.push('\n');
    (status, sentence).into_response()
}

/// Calls a router, which is always ready and never fails.
async fn call(mut router: Router, request: Request) -> Result<Response, Infallible> {
    router.call(request).await
}
