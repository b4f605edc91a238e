//! The routes of the public listener.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use super::refusal::HttpRefusal;
use super::shard_step::ShardStep;
use super::state::Gateway;
use super::{demo, health, over_http, upgrade};

/// What clients without a WebSocket ask by.
#[derive(Clone, Copy)]
pub(super) enum HttpRoute {
    Ticket,
    Events,
    Send,
    Poll,
}

impl HttpRoute {
    const ALL: [Self; 4] = [Self::Ticket, Self::Events, Self::Send, Self::Poll];

    /// The one of this path, where that names no tenant. It is asked again and again by the same clients, so it is not looked for
    /// among all routes.
    pub(super) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.path() == path)
    }

    fn path(self) -> &'static str {
        match self {
            Self::Ticket => "/ticket",
            Self::Events => "/sse",
            Self::Send => "/send",
            Self::Poll => "/poll",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Events => Method::GET,
            Self::Ticket | Self::Send | Self::Poll => Method::POST,
        }
    }

    pub(super) async fn answer(self, gateway: &Gateway, named: Option<&str>, request: Request) -> Response {
        if request.method() == Method::OPTIONS {
            return over_http::preflight(gateway, named, &request);
        }
        if request.method() != self.method() {
            return self.other_method();
        }
        match self {
            Self::Ticket => step(over_http::ticket(gateway, named, &request), ShardStep::Ticket),
            Self::Events => step(over_http::events(gateway, named, request).await, ShardStep::Events),
            Self::Send => over_http::send(gateway, named, request).await,
            Self::Poll => step(over_http::poll(gateway, named, request).await, ShardStep::Poll),
        }
    }

    fn other_method(self) -> Response {
        let (path, method) = (self.path(), self.method());
        let sentence = format!("{path} is asked by {method}");
        let mut response = HttpRefusal::new(StatusCode::METHOD_NOT_ALLOWED, sentence).into_response();
        let allowed = HeaderValue::from_static(match self {
            Self::Events => "GET, OPTIONS",
            Self::Ticket | Self::Send | Self::Poll => "POST, OPTIONS",
        });
        response.headers_mut().insert(ALLOW, allowed);
        response
    }
}

/// All but [`HttpRoute::at`].
pub(super) fn router(gateway: &Arc<Gateway>) -> Router {
    let mut router = Router::new()
        .route("/ws", any(upgrade_here))
        .route("/t/{tenant}/ws", any(upgrade_to_tenant));
    for route in HttpRoute::ALL {
        let of_tenant =
            async move |State(gateway): State<Arc<Gateway>>, Path(tenant): Path<String>, request: Request| {
                route.answer(&gateway, Some(&tenant), request).await
            };
        router = router.route(&format!("/t/{{tenant}}{}", route.path()), any(of_tenant));
    }
    if gateway.demo {
        router = router.merge(demo::routes());
    }
    if let Some(readiness) = &gateway.health {
        router = router.merge(health::public_routes(readiness.clone()));
    }
    router.fallback(nothing).with_state(gateway.clone())
}

/// What has to be done on the shard before there is an answer, or the answer.
fn step<T>(accepted: Result<T, Box<Response>>, step: impl FnOnce(T) -> ShardStep) -> Response {
    accepted.map_or_else(|answer| *answer, |accepted| step(accepted).into())
}

async fn upgrade_here(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    upgrade::answer(&gateway, None, request).await
}

async fn upgrade_to_tenant(
    State(gateway): State<Arc<Gateway>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    upgrade::answer(&gateway, Some(&tenant), request).await
}

async fn nothing() -> Response {
    let sentence = "there is nothing at this path: clients come to /ws, /sse or /poll, or the same below /t/TENANT";
    HttpRefusal::new(StatusCode::NOT_FOUND, sentence).into_response()
}
