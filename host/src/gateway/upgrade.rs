//! From an HTTP request to a session: which tenant, from which page, in which subprotocol.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Gateway, bearer, refuse};
use crate::chain::Handshake;
use crate::config::Tenant;
use crate::session::{Opening, Session};
use crate::shard::Shard;
use crate::wire::handshake::{UpgradeRequest, accept};

/// Headers that plugins do not see, because they carry tokens …
const SECRET_HEADERS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL];
/// … or because they only made the upgrade: every session would keep them and nobody ask.
const SPENT_HEADERS: [HeaderName; 4] = [UPGRADE, CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION];

/// An upgrade that was answered with 101: travels with the answer, back to the connection's own task,
/// which takes the socket and begins the session.
#[derive(Clone)]
pub struct Accepted {
    upgrade: OnUpgrade,
    tenant: Arc<str>,
    remote: IpAddr,
    handshake: Handshake,
}

/// Answers a request for a WebSocket.
pub(super) fn answer(gateway: &Gateway, named: Option<&str>, mut request: Request) -> Response {
    let directory = gateway.directory.load();
    let headers = request.headers();
    let host = text(headers, &HOST)
        .or_else(|| request.uri().host())
        .unwrap_or_default();
    let Some(tenant) = directory.find(host, named) else {
        return refuse(StatusCode::NOT_FOUND, "there is no such tenant here");
    };
    let judged = UpgradeRequest {
        method: request.method().as_str(),
        upgrade: text(headers, &UPGRADE),
        connection: text(headers, &CONNECTION),
        version: text(headers, &SEC_WEBSOCKET_VERSION),
        key: text(headers, &SEC_WEBSOCKET_KEY),
    };
    let key = match accept(&judged) {
        Ok(key) => key,
        Err(error) => return refuse_upgrade(error),
    };
    let origin = text(headers, &ORIGIN).map(str::to_owned);
    if origin
        .as_deref()
        .is_some_and(|origin| !tenant.allowed_origins.allows(origin))
    {
        return refuse(
            StatusCode::FORBIDDEN,
            "this page's origin is not among the tenant's allowed_origins",
        );
    }
    let offer = match bearer::offer(headers) {
        Ok(offer) => offer,
        Err(sentence) => return refuse(StatusCode::BAD_REQUEST, sentence),
    };
    let token = bearer::header_token(headers)
        .or(offer.token)
        .or_else(|| cookie(tenant, headers, origin.is_some()));
    let handshake = Handshake {
        token,
        headers: shown(headers),
        origin,
        path: request.uri().path().to_owned(),
        ..Handshake::default()
    };
    let Some(remote) = request.extensions().get::<SocketAddr>().map(SocketAddr::ip) else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the peer's address is not known");
    };
    let accepted = Accepted {
        tenant: tenant.name.clone(),
        remote,
        handshake,
        upgrade: hyper::upgrade::on(&mut request),
    };
    switch_protocols(&key, offer.chosen, accepted)
}

fn refuse_upgrade(error: crate::wire::handshake::HandshakeError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = refuse(status, error.to_string());
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

fn switch_protocols(key: &str, subprotocol: Option<&'static str>, accepted: Accepted) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let key = HeaderValue::from_str(key).expect("base64 is a header value");
    headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    if let Some(subprotocol) = subprotocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    }
    response.extensions_mut().insert(accepted);
    response
}

fn cookie(tenant: &Tenant, headers: &HeaderMap, from_allowed_page: bool) -> Option<String> {
    let name = tenant.token_cookie.as_deref()?;
    bearer::cookie_token(headers, name).filter(|_| from_allowed_page)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let hidden = |name: &HeaderName| SECRET_HEADERS.contains(name) || SPENT_HEADERS.contains(name);
    let shown = headers.iter().filter(|(name, _)| !hidden(name));
    let mut shown: Vec<_> = shown
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    // Kept as long as the session.
    shown.shrink_to_fit();
    shown
}

impl Accepted {
    /// Takes the socket once the answer is written, and opens a session on it. Beside it: bytes that came
    /// with the request.
    pub async fn open(self, shard: &Rc<Shard>) -> Option<(Box<Session>, Bytes)> {
        let Ok(upgraded) = self.upgrade.await else {
            // The client hung up before it had the answer.
            return None;
        };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            tracing::error!("an upgraded connection is not the socket it was accepted as");
            return None;
        };
        // A reload may have taken the tenant away since the answer.
        let tenant = shard.tenant(&self.tenant)?;
        let opening = Opening {
            stream: parts.io.into_inner(),
            remote: self.remote,
            handshake: self.handshake,
        };
        Some((Session::open(opening, shard.clone(), tenant), parts.read_buf))
    }
}
