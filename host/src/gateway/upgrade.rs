//! From an HTTP request to a session: which tenant, from which page, in which subprotocol, with which token.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;
use tickets::Opens;
use wire::DeflateAgreement;
use wire::handshake::{self, UpgradeRequest};

use super::entry::{self, Admitted, Entrant, Stay, Visit};
use super::refusal::HttpRefusal;
use super::socket::Socket;
use super::state::Gateway;
use super::{bearer, headers, ticket_use};
use crate::doorkeeper::AddressPass;
use crate::http_sessions::random_text;
use crate::observe::LogThrottle;
use crate::session::{Session, Transport};
use crate::shard::Shard;
use chain::Upgrade;
use config::Tenant;
use protocol::Codec;

/// An upgrade that is answered with 101. Travels with the answer back to the connection, which opens the session on its
/// socket once the answer is written.
#[derive(Clone)]
pub(super) struct AcceptedUpgrade {
    admitted: Admitted,
    codec: Codec,
    deflate: Option<DeflateAgreement>,
}

/// A request that may be upgraded.
struct Admissible {
    tenant: Arc<Tenant>,
    token: Option<String>,
    /// Which has a token behind it.
    ticket: Option<String>,
    deflate: Option<DeflateAgreement>,
    request: Arc<Upgrade>,
    /// The value of `Sec-WebSocket-Accept`.
    accept: String,
    subprotocol: Option<&'static str>,
}

/// Answers a request for a WebSocket. `named` is the tenant in the path.
pub(super) async fn answer(gateway: &Gateway, named: Option<&str>, request: Request) -> Response {
    let asked = AskedUpgrade::of(&request);
    let judged = arrive(gateway, &request).and_then(|visit| Ok((visit, judge(gateway, named, &request)?)));
    drop(request);
    let accepted = match judged {
        Ok((visit, admissible)) => accept(gateway, &visit, asked.remote, admissible).await,
        Err(refusal) => Err(refusal),
    };
    match accepted {
        Ok(response) => response,
        Err(refusal) => {
            asked.log(&refusal);
            refuse(refusal)
        }
    }
}

fn arrive(gateway: &Gateway, request: &Request) -> Result<Visit, HttpRefusal> {
    let visit = entry::visit(request)?;
    entry::check_node(gateway, visit)?;
    Ok(visit.clone())
}

async fn accept(
    gateway: &Gateway,
    visit: &Visit,
    remote: IpAddr,
    admissible: Admissible,
) -> Result<Response, HttpRefusal> {
    let tenant = &admissible.tenant;
    let token = match (admissible.token, &admissible.ticket) {
        (None, Some(ticket)) => Some(ticket_use::redeem(gateway, remote, tenant, ticket, Opens::WebSocket).await?),
        (token, _) => token,
    };
    let entrant = Entrant {
        token,
        request: admissible.request,
        stay: Stay::WithConnection,
    };
    let accepted = AcceptedUpgrade {
        admitted: entry::admit(gateway, visit, remote, tenant, entrant)?,
        codec: bearer::codec(admissible.subprotocol),
        deflate: admissible.deflate,
    };
    Ok(switch_protocols(&admissible.accept, admissible.subprotocol, accepted))
}

fn judge(gateway: &Gateway, named: Option<&str>, request: &Request) -> Result<Admissible, HttpRefusal> {
    let accept = accept_key(request)?;
    if !request.body().is_end_stream() {
        // RFC 9110 7.8: no protocol is switched before the whole request is there, and nobody here reads it.
        return Err(HttpRefusal::new(
            StatusCode::BAD_REQUEST,
            "the request of an upgrade has no body",
        ));
    }
    let tenant = entry::tenant(gateway, named, request)?;
    let origin = entry::allowed_origin(&tenant.allowed_origins, request.headers())?;
    let offer = bearer::offer(&bearer::offered(request.headers())?)
        .map_err(|unknown| HttpRefusal::new(StatusCode::BAD_REQUEST, unknown.to_string()))?;
    let deflate = deflate(&tenant, request.headers())?;
    let ticket = ticket_use::of_query(request)?;
    let token = match bearer::header_token(request.headers())?.or(offer.token) {
        None if ticket.is_none() && origin.is_some() => entry::cookie_token(&tenant, request.headers())?,
        token => token,
    };
    Ok(Admissible {
        accept,
        subprotocol: offer.chosen,
        deflate,
        token,
        ticket,
        request: entry::shown(request, origin),
        tenant,
    })
}

/// The value of `Sec-WebSocket-Accept`.
fn accept_key(request: &Request) -> Result<String, HttpRefusal> {
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

/// A request as the log shows it.
struct AskedUpgrade {
    remote: IpAddr,
    path: String,
    is_http_1_0: bool,
}

impl AskedUpgrade {
    fn of(request: &Request) -> Self {
        let visit = entry::visit(request);
        Self {
            remote: visit.map_or(IpAddr::from([0; 4]), |visit| visit.peer.client(request.headers())),
            path: request.uri().path().to_owned(),
            is_http_1_0: request.version() < Version::HTTP_11,
        }
    }

    /// What a client sent is shown escaped, so that it cannot write log lines of its own.
    fn log(&self, refusal: &HttpRefusal) {
        static HTTP_1_0: LogThrottle = LogThrottle::new();
        static OTHERS: LogThrottle = LogThrottle::new();
        let Self { remote, path, .. } = self;
        let status = refusal.status.as_u16();
        let why = refusal.to_string();
        if self.is_http_1_0 {
            // Every client of a proxy that is set up like this is refused.
            if let Some(others) = HTTP_1_0.allow() {
                tracing::warn!(%remote, status, ?path, ?why, others, "an upgrade came as HTTP/1.0");
            }
        } else if let Some(others) = OTHERS.allow() {
            tracing::info!(%remote, status, ?path, ?why, others, "an upgrade was refused");
        }
    }
}

fn switch_protocols(accept: &str, subprotocol: Option<&'static str>, accepted: AcceptedUpgrade) -> Response {
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

// === impl AcceptedUpgrade ===

impl AcceptedUpgrade {
    /// Opens a session on the socket. None: a reload took the tenant away since the answer.
    ///
    /// `pass` is that of the connection, where its address is the client's.
    pub(super) fn open(
        self,
        socket: Socket,
        pass: Option<Arc<AddressPass>>,
        shard: &Rc<Shard>,
    ) -> Option<Box<Session>> {
        let transport = Transport::WebSocket {
            stream: socket.into(),
            codec: self.codec,
            deflate: self.deflate.map(|agreement| agreement.window),
        };
        self.admitted.open(random_text().into(), transport, pass, shard)
    }
}
