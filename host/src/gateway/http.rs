//! HTTP/1 as both listeners serve it.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tower_service::Service;

/// Bytes of a request's head at most; more is answered with 431.
const HEAD_BYTES: usize = 16_384;

/// How connections are served: the head of each request within `header_timeout`.
pub(super) fn builder(header_timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES);
    http
}

/// Calls a router, which is always ready and never fails.
pub(super) async fn call(mut router: Router, request: Request) -> Result<Response, Infallible> {
    router.call(request).await
}
