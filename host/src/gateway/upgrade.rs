//! From an HTTP request to a session: which tenant, from which page, in which subprotocol, with which token.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ALLOW, AUTHORIZATION, CONNECTION, COOKIE, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;
use wire::DeflateAgreement;
use wire::handshake::{self, UpgradeRequest};

use super::peer::ClientPeer;
use super::refusal::HttpRefusal;
use super::socket::Socket;
use super::state::Gateway;
use super::turned_away::COME_BACK;
use super::{bearer, headers, target};
use crate::doorkeeper::{AddressPass, ShardLag, TenantPlace, TenantRefusal};
use crate::http_sessions::random_text;
use crate::observe::LogThrottle;
use crate::session::{Opening, Session, Transport};
use crate::shard::Shard;
use chain::{Headers, Upgrade};
use config::{Origins, Tenant};

/// Headers that plugins do not see, because they carry tokens …
const SECRET_HEADERS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL];
/// … or because they only made the upgrade: every session would keep them and nobody ask.
const SPENT_HEADERS: [HeaderName; 4] = [UPGRADE, CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION];

/// An upgrade that is answered with 101. Travels with the answer back to the connection, which opens the session on its
/// socket once the answer is written.
#[derive(Clone)]
pub(super) struct Accepted {
    tenant: Arc<str>,
    remote: IpAddr,
    token: Option<Box<str>>,
    deflate: Option<DeflateAgreement>,
    request: Arc<Upgrade>,
    place: Arc<TenantPlace>,
    /// Where the client's address is not the connection's.
    pass: Option<Arc<AddressPass>>,
}

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

/// A request that may be upgraded.
struct Admissible {
    tenant: Arc<Tenant>,
    token: Option<Box<str>>,
    deflate: Option<DeflateAgreement>,
    request: Arc<Upgrade>,
    /// The value of `Sec-WebSocket-Accept`.
    accept: String,
    subprotocol: Option<&'static str>,
}

/// Answers a request for a WebSocket. `named` is the tenant in the path.
pub(super) fn answer(gateway: &Gateway, named: Option<&str>, request: Request) -> Response {
    let Some(visit) = request.extensions().get::<Visit>() else {
        return HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the peer's address is not known").into_response();
    };
    let remote = visit.peer.client(request.headers());
    let judged = check_node(gateway, visit)
        .and_then(|()| judge(gateway, named, &request))
        .and_then(|admissible| enter(gateway, visit, remote, admissible));
    match judged {
        Ok((accept, subprotocol, accepted)) => switch_protocols(&accept, subprotocol, accepted),
        Err(refusal) => {
            log(remote, &request, &refusal);
            refuse(refusal)
        }
    }
}

/// Whether the node takes anybody.
fn check_node(gateway: &Gateway, visit: &Visit) -> Result<(), HttpRefusal> {
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

/// Counts the session that will be, for its address, for the node and for its tenant.
fn enter(
    gateway: &Gateway,
    visit: &Visit,
    remote: IpAddr,
    admissible: Admissible,
) -> Result<(String, Option<&'static str>, Accepted), HttpRefusal> {
    let doorkeeper = &gateway.doorkeeper;
    let pass = match visit.peer.counted_of_request(remote) {
        Some(address) => doorkeeper.arrive(address).map_err(|refusal| {
            let wait = refusal.retry_after().unwrap_or(COME_BACK);
            HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, refusal.to_string()).retry_after(wait)
        })?,
        None => None,
    };
    doorkeeper
        .connect()
        .map_err(|wait| unavailable("too many clients connect to this node", wait))?;
    let Admissible { tenant, .. } = &admissible;
    let place = doorkeeper.enter(&tenant.name, &tenant.limits, gateway.max_connections);
    let place = place.map_err(|refusal| match refusal {
        TenantRefusal::Share => unavailable("the tenant has its share of this node's connections", COME_BACK),
        TenantRefusal::TooOften(wait) => unavailable("too many of the tenant's clients connect to this node", wait),
    })?;
    let accepted = Accepted {
        tenant: tenant.name.clone(),
        remote,
        token: admissible.token,
        deflate: admissible.deflate,
        request: admissible.request,
        place: Arc::new(place),
        pass,
    };
    Ok((admissible.accept, admissible.subprotocol, accepted))
}

fn unavailable(sentence: &str, wait: Duration) -> HttpRefusal {
    HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(wait)
}

fn judge(gateway: &Gateway, named: Option<&str>, request: &Request) -> Result<Admissible, HttpRefusal> {
    let accept = accept(request)?;
    if !request.body().is_end_stream() {
        // RFC 9110 7.8: no protocol is switched before the whole request is there, and nobody here reads it.
        return Err(HttpRefusal::new(
            StatusCode::BAD_REQUEST,
            "the request of an upgrade has no body",
        ));
    }
    let host = target::host(request)?;
    let tenant = gateway
        .directory
        .find(host.as_deref(), named)
        .ok_or_else(|| HttpRefusal::new(StatusCode::NOT_FOUND, "there is no such tenant here"))?;
    let origin = allowed_origin(&tenant.allowed_origins, request.headers())?;
    let offer = bearer::offer(&bearer::offered(request.headers())?)
        .map_err(|unknown| HttpRefusal::new(StatusCode::BAD_REQUEST, unknown.to_string()))?;
    let deflate = deflate(&tenant, request.headers())?;
    let token = match bearer::header_token(request.headers())?.or(offer.token) {
        None if origin.is_some() => cookie_token(&tenant, request.headers())?,
        token => token,
    };
    Ok(Admissible {
        accept,
        subprotocol: offer.chosen,
        deflate,
        token: token.map(String::into_boxed_str),
        request: Arc::new(Upgrade {
            headers: shown(request.headers()),
            origin: origin.map(Box::from),
            path: request.uri().path().into(),
        }),
        tenant,
    })
}

/// The value of `Sec-WebSocket-Accept`.
fn accept(request: &Request) -> Result<String, HttpRefusal> {
    let upgrade = headers::list(request.headers(), &UPGRADE)?;
    let connection = headers::list(request.headers(), &CONNECTION)?;
    let accept = handshake::accept(&UpgradeRequest {
        is_http_1_1: request.version() >= Version::HTTP_11,
        method: request.method().as_str(),
        upgrade: upgrade.as_deref(),
        connection: connection.as_deref(),
        version: headers::single(request.headers(), &SEC_WEBSOCKET_VERSION)?,
        key: headers::single(request.headers(), &SEC_WEBSOCKET_KEY)?,
    })?;
    Ok(accept)
}

/// What is agreed on for compressed messages. A header that cannot be read is refused, whether or not the tenant compresses.
fn deflate(tenant: &Tenant, headers: &HeaderMap) -> Result<Option<DeflateAgreement>, HttpRefusal> {
    let Some(offers) = headers::list(headers, &SEC_WEBSOCKET_EXTENSIONS)? else {
        return Ok(None);
    };
    let agreement = DeflateAgreement::negotiate(&offers)
        .map_err(|malformed| HttpRefusal::new(StatusCode::BAD_REQUEST, malformed.to_string()))?;
    Ok(agreement.filter(|_| tenant.compression))
}

/// The page's origin, which must be an allowed one; none if the request does not come from a page.
fn allowed_origin<'a>(allowed: &Origins, headers: &'a HeaderMap) -> Result<Option<&'a str>, HttpRefusal> {
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

fn cookie_token(tenant: &Tenant, headers: &HeaderMap) -> Result<Option<String>, HttpRefusal> {
    let Some(name) = &tenant.token_cookie else {
        return Ok(None);
    };
    Ok(bearer::cookie_token(headers, name)?)
}

fn shown(headers: &HeaderMap) -> Headers {
    let hidden = |name: &HeaderName| SECRET_HEADERS.contains(name) || SPENT_HEADERS.contains(name);
    let shown = headers.iter().filter(|(name, _)| !hidden(name));
    shown
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

fn refuse(refusal: HttpRefusal) -> Response {
    let status = refusal.status;
    let mut response = refusal.into_response();
    let headers = response.headers_mut();
    match status {
        // Both are required by RFC 9110, and the version by RFC 6455 4.4.
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        _ => {}
    }
    response
}

/// What a client sent is shown escaped, so that it cannot write log lines of its own.
fn log(remote: IpAddr, request: &Request, refusal: &HttpRefusal) {
    static HTTP_1_0: LogThrottle = LogThrottle::new();
    static OTHERS: LogThrottle = LogThrottle::new();
    let (status, path) = (refusal.status.as_u16(), request.uri().path());
    let why = refusal.to_string();
    if request.version() < Version::HTTP_11 {
        // Every client of a proxy that is set up like this is refused.
        if let Some(others) = HTTP_1_0.allow() {
            tracing::warn!(%remote, status, ?path, ?why, others, "an upgrade came as HTTP/1.0");
        }
    } else if let Some(others) = OTHERS.allow() {
        tracing::info!(%remote, status, ?path, ?why, others, "an upgrade was refused");
    }
}

fn switch_protocols(accept: &str, subprotocol: Option<&'static str>, accepted: Accepted) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = HeaderValue::from_str(accept).expect("base64 is a header value");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(subprotocol) = subprotocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    }
    if let Some(agreement) = accepted.deflate {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(agreement.answer()));
    }
    response.extensions_mut().insert(accepted);
    response
}

impl Accepted {
    /// Opens a session on the socket. None: a reload took the tenant away since the answer.
    ///
    /// `pass` is that of the connection, where its address is the client's.
    pub(super) fn open(
        self,
        socket: Socket,
        pass: Option<Arc<AddressPass>>,
        shard: &Rc<Shard>,
    ) -> Option<Box<Session>> {
        let tenant = shard.tenant(&self.tenant)?;
        let opening = Opening {
            session: random_text().into(),
            transport: Transport::WebSocket {
                stream: socket.into(),
                deflate: self.deflate.map(|agreement| agreement.window),
            },
            remote: self.remote,
            // Nobody else has it: the answer that carried it is gone.
            place: Arc::into_inner(self.place)?,
            pass: pass.or(self.pass),
            token: self.token,
            upgrade: self.request,
        };
        Some(opening.into_session(shard.clone(), tenant))
    }
}
