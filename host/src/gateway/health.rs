//! Whether the node lives, and whether a balancer should send clients to it: pages of both listeners.

use axum::Router;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};

use super::readiness::Readiness;

/// The methods of the pages beside the API. `HAProxy`'s health check asks by `OPTIONS` unless it is told otherwise.
pub(super) const METHODS: MethodFilter = MethodFilter::GET.or(MethodFilter::HEAD).or(MethodFilter::OPTIONS);
pub(super) const METHOD_NAMES: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// `/healthz` and `/readyz` for whoever can reach the node: they say nothing of its inside.
pub(super) fn public_routes<S: Clone + Send + Sync + 'static>(readiness: Readiness) -> Router<S> {
    Router::new().route("/healthz", on(METHODS, healthy)).route(
        "/readyz",
        on(METHODS, async move |method: Method| match readiness.hindrance() {
            None => page(&method, "ready\n"),
            Some(_) => (StatusCode::SERVICE_UNAVAILABLE, page(&method, "not ready\n")).into_response(),
        }),
    )
}

pub(super) async fn healthy(method: Method) -> Response {
    page(&method, "ok\n")
}

/// A page, or for `OPTIONS` what it can be asked by.
pub(super) fn page(method: &Method, text: impl IntoResponse) -> Response {
    if method == Method::OPTIONS {
        return (HeaderMap::from_iter([(ALLOW, METHOD_NAMES)]), ()).into_response();
    }
    text.into_response()
}
