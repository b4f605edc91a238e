//! The routes of the public listener.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use super::refusal::HttpRefusal;
use super::state::Gateway;
use super::{demo, health, upgrade};

pub(super) fn router(gateway: &Arc<Gateway>) -> Router {
    let mut router = Router::new()
        .route("/ws", any(upgrade_here))
        .route("/t/{tenant}/ws", any(upgrade_to_tenant));
    if gateway.demo {
        router = router
            .route("/", get(demo::page))
            .route("/demo/tokens", get(demo::tokens));
    }
    if let Some(readiness) = &gateway.health {
        router = router.merge(health::public_routes(readiness.clone()));
    }
    router.fallback(nothing).with_state(gateway.clone())
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

async fn nothing() -> Response {
    let sentence = "there is nothing at this path: the WebSocket is at /ws and /t/TENANT/ws";
    HttpRefusal::new(StatusCode::NOT_FOUND, sentence).into_response()
}
