//! The pages of the admin listener that need no key, for those alone who may read them: a browser on a machine that reaches the
//! listener must not show them to a page of somebody else, whose name was made to resolve to the listener's address.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::refusal::HttpRefusal;
use super::target;
use crate::observe::LogThrottle;
use config::OpenPages;

/// What the config says of them, now.
pub(crate) type CurrentPages = Arc<ArcSwap<OpenPages>>;

/// The routes that `router` has so far are for those alone whom the config lets read them.
pub(super) fn guarded<S: Clone + Send + Sync + 'static>(router: Router<S>, pages: &CurrentPages) -> Router<S> {
    router.route_layer(from_fn_with_state(pages.clone(), guard))
}

async fn guard(State(pages): State<CurrentPages>, request: Request, next: Next) -> Response {
    let checked = check(&pages.load(), &request);
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            static REFUSED: LogThrottle = LogThrottle::new();
            let peer = request.extensions().get::<SocketAddr>().map(ToString::to_string);
            if let Some(others) = REFUSED.allow() {
                tracing::warn!(peer, %refusal, others, "a page of the admin listener is not shown");
            }
            refusal.into_response()
        }
    }
}

fn check(pages: &OpenPages, request: &Request) -> Result<(), HttpRefusal> {
    let peer = request.extensions().get::<SocketAddr>();
    if !peer.is_none_or(|peer| pages.fits_address(peer.ip())) {
        let sentence = "this is not for your address: admin.open_addresses in the config lists those that it is for";
        return Err(HttpRefusal::new(StatusCode::FORBIDDEN, sentence));
    }
    match target::host(request)? {
        // No browser sends a request without one.
        None => Ok(()),
        Some(host) if pages.fits_host(&host) => Ok(()),
        Some(host) => Err(HttpRefusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!(
                "this listener does not answer to the name {host:?} without a key: ask by its address, or list the name in admin.hosts of the config"
            ),
        )),
    }
}
