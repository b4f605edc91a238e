//! What a request needs before it can become a session, however its client is reached: a node that has room, a tenant, a
//! page that may, and a place.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};

use super::peer::ClientPeer;
use super::refusal::HttpRefusal;
use super::state::Gateway;
use super::turned_away::COME_BACK;
use super::{bearer, headers, target};
use crate::doorkeeper::{AddressPass, ShardLag, TenantPlace, TenantRefusal};
use crate::session::{Opening, Session, Transport};
use crate::shard::Shard;
use chain::{Headers, Upgrade};
use config::{Origins, Tenant};

/// Headers that plugins do not see, because they carry tokens …
const SECRET_HEADERS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL];
/// … or because they only made the upgrade: every session would keep them and nobody ask.
const SPENT_HEADERS: [HeaderName; 4] = [UPGRADE, CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION];

/// Whom a connection comes from, and what its requests are judged by beside themselves.
#[derive(Clone)]
pub(super) struct Visit {
    pub peer: ClientPeer,
    /// Whether the shard is late.
    pub lag: Arc<ShardLag>,
    /// Whether the node has room for a session.
    pub may_stay: bool,
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer.fmt(f)
    }
}

/// A client that has a place. Travels with the answer back to the connection, on whose shard its session is opened.
#[derive(Clone)]
pub(super) struct Admitted {
    pub tenant: Arc<str>,
    pub remote: IpAddr,
    pub token: Option<Box<str>>,
    request: Arc<Upgrade>,
    place: Arc<TenantPlace>,
    /// Where the client's address is not the connection's.
    pass: Option<Arc<AddressPass>>,
}

/// For how long a client counts for its address.
#[derive(Clone, Copy)]
pub(super) enum Stay {
    /// As long as the connection of its request.
    WithConnection,
    /// As long as its session, whatever becomes of the connection.
    Beyond,
}

/// What a client brings.
pub(super) struct Entrant {
    pub token: Option<String>,
    pub request: Arc<Upgrade>,
    pub stay: Stay,
}

/// Who sent a request.
pub(super) fn visit(request: &Request) -> Result<&Visit, HttpRefusal> {
    let unknown = || HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the peer's address is not known");
    request.extensions().get::<Visit>().ok_or_else(unknown)
}

/// Whether the node takes anybody.
pub(super) fn check_node(gateway: &Gateway, visit: &Visit) -> Result<(), HttpRefusal> {
    let sentence = if gateway.closed.load(Ordering::Relaxed) {
        "the node is shutting down"
    } else if gateway.doorkeeper.is_overloaded(&visit.lag) || !(visit.may_stay || gateway.is_full()) {
        return Err(unavailable("the node is overloaded", COME_BACK));
    } else if !visit.may_stay {
        "the node is full"
    } else {
        return Ok(());
    };
    gateway.metrics.refused.inc();
    Err(unavailable(sentence, COME_BACK))
}

/// The tenant that a request means. `named` is the one in its path.
pub(super) fn tenant(gateway: &Gateway, named: Option<&str>, request: &Request) -> Result<Arc<Tenant>, HttpRefusal> {
    let host = target::host(request)?;
    let found = gateway.directory.find(host.as_deref(), named);
    found.ok_or_else(|| HttpRefusal::new(StatusCode::NOT_FOUND, "there is no such tenant here"))
}

/// The page's origin, which must be an allowed one; none if the request does not come from a page.
pub(super) fn allowed_origin<'a>(allowed: &Origins, headers: &'a HeaderMap) -> Result<Option<&'a str>, HttpRefusal> {
    let origin = match headers::single(headers, &ORIGIN) {
        Err(error @ headers::HeaderError::Unreadable(_)) => {
            return Err(HttpRefusal::new(StatusCode::FORBIDDEN, error.to_string()));
        }
        origin => origin?,
    };
    if origin.is_some_and(|origin| !allowed.allows(origin)) {
        return Err(HttpRefusal::new(
            StatusCode::FORBIDDEN,
            "this page's origin is not among the tenant's allowed_origins",
        ));
    }
    Ok(origin)
}

/// The token in the tenant's cookie: for a request whose page may.
pub(super) fn cookie_token(tenant: &Tenant, headers: &HeaderMap) -> Result<Option<String>, HttpRefusal> {
    let Some(name) = &tenant.token_cookie else {
        return Ok(None);
    };
    Ok(bearer::cookie_token(headers, name)?)
}

/// What plugins see of a request.
pub(super) fn shown(request: &Request, origin: Option<&str>) -> Arc<Upgrade> {
    let hidden = |name: &HeaderName| SECRET_HEADERS.contains(name) || SPENT_HEADERS.contains(name);
    let shown = request.headers().iter().filter(|(name, _)| !hidden(name));
    let headers: Headers = shown
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    Arc::new(Upgrade {
        headers,
        origin: origin.map(Box::from),
        path: request.uri().path().into(),
    })
}

/// Counts the session that will be, for its address, for the node and for its tenant.
pub(super) fn admit(
    gateway: &Gateway,
    visit: &Visit,
    remote: IpAddr,
    tenant: &Tenant,
    entrant: Entrant,
) -> Result<Admitted, HttpRefusal> {
    let doorkeeper = &gateway.doorkeeper;
    let of_request = visit.peer.counted_of_request(remote);
    let counted = match entrant.stay {
        Stay::WithConnection => of_request,
        Stay::Beyond => of_request.or(visit.peer.counted()),
    };
    let pass = match counted {
        Some(address) => doorkeeper.arrive(address).map_err(|refusal| {
            let wait = refusal.retry_after().unwrap_or(COME_BACK);
            HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, refusal.to_string()).retry_after(wait)
        })?,
        None => None,
    };
    doorkeeper
        .connect()
        .map_err(|wait| unavailable("too many clients connect to this node", wait))?;
    let place = doorkeeper.enter(&tenant.name, &tenant.limits, gateway.max_connections);
    let place = place.map_err(|refusal| match refusal {
        TenantRefusal::Share => unavailable("the tenant has its share of this node's connections", COME_BACK),
        TenantRefusal::TooOften(wait) => unavailable("too many of the tenant's clients connect to this node", wait),
    })?;
    Ok(Admitted {
        tenant: tenant.name.clone(),
        remote,
        token: entrant.token.map(String::into_boxed_str),
        request: entrant.request,
        place: Arc::new(place),
        pass,
    })
}

pub(super) fn unavailable(sentence: &str, wait: Duration) -> HttpRefusal {
    HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(wait)
}

// === impl Admitted ===

impl Admitted {
    /// Opens its session. None: a reload took the tenant away since.
    ///
    /// `pass` is that of the connection, where its address is the client's.
    pub(super) fn open(
        self,
        session: Arc<str>,
        transport: Transport,
        pass: Option<Arc<AddressPass>>,
        shard: &Rc<Shard>,
    ) -> Option<Box<Session>> {
        let tenant = shard.tenant(&self.tenant)?;
        let opening = self.opening(session, transport, pass)?;
        Some(opening.into_session(shard.clone(), tenant))
    }

    /// What its session is opened with; none while somebody else has the same.
    pub(super) fn opening(
        self,
        session: Arc<str>,
        transport: Transport,
        pass: Option<Arc<AddressPass>>,
    ) -> Option<Opening> {
        Some(Opening {
            session,
            transport,
            remote: self.remote,
            // Nobody else has it: the answer that carried it is gone.
            place: Arc::into_inner(self.place)?,
            pass: pass.or(self.pass),
            token: self.token,
            upgrade: self.request,
        })
    }
}
