//! The admin API, `/api/v1` on the admin listener: what an operator's own servers ask of the broker. A table of
//! routes ([`endpoints::routes`]) makes both the router and the `OpenAPI` document, so neither knows more than the
//! other.
//!
//! Each call takes the same steps (`call.rs`): the limit on calls at once, the key, the tenant, the request against its
//! schemas (`request.rs`), a line in the audit log, and then the endpoint, which knows nothing of these.

mod answer;
mod call;
mod call_tenant;
mod call_windows;
mod context;
mod endpoint;
mod endpoints;
mod held_body;
mod key;
mod key_lines;
mod message_data;
mod openapi;
mod params;
mod precondition;
mod problem;
mod record;
mod request;
mod route;
mod strangers;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, on};
use tokio::time::timeout;

use super::open_pages::{CurrentPages, guarded};
pub(crate) use context::Api;
use problem::ProblemDetails;

/// How long the last lines of the audit log may take.
const CLOSE: Duration = Duration::from_secs(2);

/// Where the API is on the admin listener.
const PREFIX: &str = "/api/v1";

/// The routes of the API, under [`PREFIX`]; `pages` says who may read its document.
pub(super) fn router(api: Arc<Api>, pages: &CurrentPages) -> Router {
    let routes = endpoints::routes();
    let document = openapi::document(&routes, PREFIX).to_string();
    let router = Router::new().route("/openapi.json", get(async move || json(document.clone())));
    let mut router = guarded(router, pages);
    for route in routes {
        let serve = (route.server)();
        let answer = async move |State(api): State<Arc<Api>>, request: Request| serve(api, request).await;
        router = router.route(route.path, on(route.verb.filter(), answer));
    }
    let router = router.fallback(unknown_route).method_not_allowed_fallback(
        async |State(api): State<Arc<Api>>, request: Request| {
            call::refuse(api, request, ProblemDetails::bad_method()).await
        },
    );
    let slash = format!("{PREFIX}/");
    Router::new()
        .nest(PREFIX, router)
        // The one path under the prefix that nesting leaves out.
        .route(&slash, any(unknown_route))
        .with_state(api)
}

/// The broker ends: the audit log gets the numbers of the calls that have no line of their own, in a bounded time.
pub(crate) async fn close(api: &Api) {
    if timeout(CLOSE, record::sum_up_all(api)).await.is_err() {
        tracing::error!("the numbers of some admin calls are not in the audit log: it took more than {CLOSE:?}");
    }
}

async fn unknown_route(State(api): State<Arc<Api>>, request: Request) -> Response {
    call::refuse(api, request, ProblemDetails::unknown_route()).await
}

/// The document needs no key: it holds nothing of this broker but its version.
fn json(document: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}
