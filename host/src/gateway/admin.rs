//! The admin listener: health, readiness, metrics, and the admin API. For operators, on an address of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::api::{self, Api};
use crate::backplane::Backplane;
use crate::observe::Metrics;

/// Whether a load balancer should send clients here.
#[derive(Clone)]
pub struct Readiness {
    serves: Arc<AtomicBool>,
    backplane: Arc<dyn Backplane>,
}

impl Readiness {
    /// Not yet; and never while messages do not get through.
    pub fn new(backplane: Arc<dyn Backplane>) -> Self {
        Self {
            serves: Arc::default(),
            backplane,
        }
    }

    /// From now on it should, or should not.
    pub fn set(&self, ready: bool) {
        self.serves.store(ready, Ordering::Relaxed);
    }

    /// Why it should not, if so.
    fn hindrance(&self) -> Option<String> {
        if !self.serves.load(Ordering::Relaxed) {
            Some("starting or draining".to_owned())
        } else {
            self.backplane.hindrance()
        }
    }
}

#[derive(Clone)]
struct Admin {
    metrics: Metrics,
    readiness: Readiness,
}

/// The routes of the admin listener.
pub fn router(metrics: Metrics, readiness: Readiness, api: Arc<Api>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(Admin { metrics, readiness })
        .merge(api::router(api))
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.readiness.hindrance() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

async fn metrics_text(State(admin): State<Admin>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], admin.metrics.render()).into_response()
}
