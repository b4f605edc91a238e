//! The admin API, `/api/v1` on the admin listener: what an operator's own servers ask of the broker. A table
//! of routes ([`routes`]) makes both the router and the `OpenAPI` document, so neither knows more than the other.
//!
//! Each call goes one way (`call.rs`): a place among the calls, the key, the tenant, what is asked, a line in
//! the audit log, and then the endpoint, which knows nothing of all that. Endpoints that concern connections
//! give a [`Bus`] an order; publishing and reading go to the backplane.

mod ban;
mod broadcast;
mod call;
mod channels;
mod connections;
mod count;
mod disconnect;
mod endpoint;
mod history;
mod key;
mod nodes;
mod openapi;
mod presence;
mod problem;
mod publish;
mod record;
#[cfg(test)]
mod tests;
mod unsubscribe;
mod values;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, on};
use tokio::sync::Semaphore;

use super::state::Gateway;
use crate::backplane::Backplane;
use crate::config::Config;
use crate::control::Bus;
use crate::observe::{AuditLog, Metrics};
use endpoint::Route;
use key::Keys;
use problem::Problem;

/// Where the API is on the admin listener.
const PREFIX: &str = "/api/v1";
/// Calls that are carried out at once; one more is told to come back.
const CALLS: usize = 64;

/// What the admin API stands on.
pub struct Api {
    bus: Arc<dyn Bus>,
    backplane: Arc<dyn Backplane>,
    gateway: Arc<Gateway>,
    metrics: Metrics,
    keys: ArcSwap<Keys>,
    audit: AuditLog,
    places: Arc<Semaphore>,
}

impl Api {
    /// An API that reaches all nodes by `bus`, and what is said by `backplane`.
    pub fn new(
        bus: Arc<dyn Bus>,
        backplane: Arc<dyn Backplane>,
        gateway: Arc<Gateway>,
        audit: AuditLog,
        config: &Config,
    ) -> Arc<Self> {
        Arc::new(Self {
            bus,
            backplane,
            metrics: gateway.metrics.clone(),
            gateway,
            keys: ArcSwap::from_pointee(Keys::new(&config.admin)),
            audit,
            places: Arc::new(Semaphore::new(CALLS)),
        })
    }

    /// The keys of this config count from now on.
    pub fn reload(&self, config: &Config) {
        self.keys.store(Arc::new(Keys::new(&config.admin)));
    }

    /// Where calls are written down.
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }
}

/// Everything that can be asked, in the order of the document.
fn routes() -> Vec<Route> {
    vec![
        Route::of::<publish::Publish>(),
        Route::of::<broadcast::Broadcast>(),
        Route::of::<count::Count>(),
        Route::of::<channels::Channels>(),
        Route::of::<presence::Presence>(),
        Route::of::<history::History>(),
        Route::of::<connections::Connections>(),
        Route::of::<disconnect::DisconnectUser>(),
        Route::of::<disconnect::DisconnectSession>(),
        Route::of::<unsubscribe::Unsubscribe>(),
        Route::of::<ban::Ban>(),
        Route::of::<ban::Unban>(),
    ]
}

/// The routes of the API, under [`PREFIX`].
pub(super) fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new().route("/openapi.json", get(document));
    for route in routes() {
        let serve = route.serve;
        let answer = move |State(api): State<Arc<Api>>, request: Request| serve(api, request);
        router = router.route(route.path, on(route.verb.filter(), answer));
    }
    let router = router.fallback(unknown_route).method_not_allowed_fallback(
        async |State(api): State<Arc<Api>>, request: Request| call::refuse(&api, &request, Problem::bad_method()),
    );
    let slash = format!("{PREFIX}/");
    Router::new()
        .nest(PREFIX, router)
        // The one path under the prefix that nesting leaves out.
        .route(&slash, any(unknown_route))
        .with_state(api)
}

async fn unknown_route(State(api): State<Arc<Api>>, request: Request) -> Response {
    call::refuse(&api, &request, Problem::unknown_route())
}

/// Says what the API is, to everyone: it holds nothing of this broker.
async fn document() -> Response {
    let document = openapi::document(&routes()).to_string();
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}
