//! The admin listener: health, readiness, metrics, and the admin API. For operators, on an address of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::on;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::admin_connections::{AdminConnections, AdminPlace};
use super::api::{self, Api};
use super::health::{METHOD_NAMES, METHODS, healthy, page};
use super::listener_tls::ListenerTls;
use super::open_pages::{CurrentPages, guarded};
use super::readiness::Readiness;
use super::refusal::HttpRefusal;
use super::socket::Socket;
use super::state::AcceptState;
use super::turned_away::TLS_REFUSAL;
use super::{handshake, http, listen, patient_stream};
use crate::observe::{LogThrottle, Metrics};
use config::Descriptors;

/// For a connection that comes while all others have a request that is not answered.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 27\r\n\r\n\
                      the admin listener is full\n";

/// What the admin listener answers. Shared by all clones.
#[derive(Clone)]
pub(crate) struct AdminRoutes(Arc<ArcSwap<Router>>);

impl AdminRoutes {
    /// While the broker loads its plugins: it lives, and is not ready.
    pub(crate) fn starting(metrics: Metrics, pages: &CurrentPages) -> Self {
        let router = Router::new().route("/healthz", on(METHODS, healthy)).route(
            "/metrics",
            on(METHODS, async move |method| metrics_page(&method, &metrics)),
        );
        let router = guarded(router, pages)
            .fallback(starting)
            // The next connection may get other routes.
            .layer(map_response(async |mut response: Response| {
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }));
        Self(Arc::new(ArcSwap::from_pointee(router)))
    }

    /// Other routes for all connections that come from now on.
    pub(crate) fn replace(&self, router: Router) {
        self.0.store(Arc::new(router));
    }
}

async fn starting(method: Method) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        page(&method, "not ready: starting or draining\n"),
    )
        .into_response()
}

#[derive(Clone)]
struct AdminPages {
    metrics: Metrics,
    readiness: Readiness,
}

/// The routes of the admin listener.
pub(crate) fn router(metrics: Metrics, readiness: Readiness, api: Arc<Api>, pages: &CurrentPages) -> Router {
    let router = Router::new()
        .route("/healthz", on(METHODS, healthy))
        .route("/readyz", on(METHODS, ready))
        .route("/metrics", on(METHODS, metrics_text));
    guarded(router, pages)
        .method_not_allowed_fallback(bad_method)
        .fallback(nothing)
        .with_state(AdminPages { metrics, readiness })
        .merge(api::router(api, pages))
}

async fn ready(method: Method, State(pages): State<AdminPages>) -> Response {
    match pages.readiness.hindrance() {
        None => page(&method, format!("ready\n{}", pages.readiness.remarks())),
        Some(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            page(&method, format!("not ready: {why}\n")),
        )
            .into_response(),
    }
}

async fn metrics_text(method: Method, State(pages): State<AdminPages>) -> Response {
    metrics_page(&method, &pages.metrics)
}

fn metrics_page(method: &Method, metrics: &Metrics) -> Response {
    let text = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    (text, page(method, metrics.render())).into_response()
}

async fn bad_method() -> Response {
    let refusal = HttpRefusal::new(StatusCode::METHOD_NOT_ALLOWED, "this page takes GET, HEAD and OPTIONS");
    ([(ALLOW, METHOD_NAMES)], refusal).into_response()
}

async fn nothing() -> Response {
    let sentence = "there is nothing at this path: this listener has /healthz, /readyz, /metrics, and the calls that \
                    /api/v1/openapi.json lists";
    HttpRefusal::new(StatusCode::NOT_FOUND, sentence).into_response()
}

/// Serves the admin listener, until another process does.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: AdminRoutes,
    header_timeout: Duration,
    tls: Option<Arc<ListenerTls>>,
    mut accepting: watch::Receiver<AcceptState>,
) {
    static FULL: LogThrottle = LogThrottle::new();
    let connections = AdminConnections::new(Descriptors::here().for_admin());
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = AcceptState::ends(&mut accepting) => {
                // Who asks nothing connects anew, to the other process; who asks something is answered.
                connections.dismiss_idle();
                return;
            }
            accepted = listen::next(&listener) => accepted,
        };
        let Some(place) = connections.admit(peer) else {
            if let Some(others) = FULL.allow() {
                tracing::warn!(%peer, others, "an admin connection is refused: all others have a call that is not answered");
            }
            // As much as a fresh socket takes without waiting.
            drop(stream.try_write(if tls.is_some() { TLS_REFUSAL } else { BUSY }));
            continue;
        };
        let router = Router::clone(&routes.0.load());
        let tls = tls.clone();
        tokio::spawn(async move {
            let serving = async {
                let until = Instant::now() + header_timeout;
                let shaken = handshake::shake_hands(Socket::Tcp(stream), &peer, tls.as_deref(), until).await;
                if let Some(socket) = shaken {
                    serve_one(socket, peer, router, header_timeout, &place).await;
                }
            };
            tokio::select! {
                () = serving => {}
                () = place.gives_way() => tracing::debug!(%peer, "an idle admin connection gave way to another"),
            }
        });
    }
}

async fn serve_one(stream: Socket, peer: SocketAddr, router: Router, header_timeout: Duration, place: &AdminPlace) {
    let answer = |request| {
        let (open, router) = (place.ask(), router.clone());
        async move {
            let Ok(response) = http::call(router, request).await;
            drop(open);
            Some(response)
        }
    };
    if let Some((mut stream, _)) = http::serve(stream, Vec::new(), peer, header_timeout, answer).await {
        drop(patient_stream::end(&mut stream).await);
    }
}
