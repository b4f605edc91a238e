//! One connection of the public listener: a PROXY header and a handshake of TLS where they are expected, then HTTP, until it is
//! a session's, or polls come on it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use tokio::time::{Instant, timeout_at};

use super::entry::Visit;
use super::keep_open::KeepOpen;
use super::listener_tls::ListenerTls;
use super::over_http::{AcceptedEvents, PollRequest};
use super::peer::ClientPeer;
use super::poll_connection::{PollConnection, TakenPoll};
use super::proxy_header::{self, ProxyHeaderError};
use super::routes::HttpRoute;
use super::shard_step::ShardStep;
use super::socket::Socket;
use super::state::{Arrival, ConnectionGuard, Gateway};
use super::turned_away::{COME_BACK, turn_away};
use super::upgrade::AcceptedUpgrade;
use super::{handshake, http, patient_stream};
use crate::doorkeeper::{AddressPass, ShardLag};
use crate::observe::{DoorRefusalKind, LogThrottle};
use crate::shard::Shard;

const TOO_MANY: &str = "429 Too Many Requests";

/// How a listener serves its connections.
#[derive(Clone)]
pub(super) struct Service {
    pub router: Router,
    pub gateway: Arc<Gateway>,
    pub shard: Rc<Shard>,
    /// Whether each connection begins with a PROXY header.
    pub proxy_protocol: bool,
    /// What is spoken before HTTP; none: nothing.
    pub tls: Option<Arc<ListenerTls>>,
    /// Whether the shard is late.
    pub lag: Arc<ShardLag>,
}

/// Serves a connection until it is closed, or handed over to a session.
pub(super) async fn serve(
    socket: Socket,
    address: Option<IpAddr>,
    service: Service,
    guard: ConnectionGuard,
    arrival: Arrival,
) {
    // One time for the PROXY header, the handshake of TLS and the request's head together.
    let deadline = Instant::now() + service.gateway.header_timeout;
    let Some((socket, peer)) = identify(socket, address, &service, deadline).await else {
        return;
    };
    let Ok(pass) = arrive(&service, &socket, &peer) else {
        return;
    };
    let Some(socket) = handshake::shake_hands(socket, &peer, service.tls.as_deref(), deadline).await else {
        return;
    };
    let visit = Visit {
        peer,
        lag: service.lag.clone(),
        may_stay: guard.is_session,
    };
    let header_timeout = deadline.saturating_duration_since(Instant::now());
    let visited = Rc::new(Visited {
        service,
        visit,
        pass,
        guard: RefCell::new(Some(guard)),
        arrival: RefCell::new(Some(arrival)),
        requests: Cell::new(0),
        taken: RefCell::default(),
    });
    if let Some(poll) = visited.clone().speak_http(socket, Vec::new(), header_timeout).await {
        tokio::task::spawn_local(visited.answer_polls(poll));
    }
}

/// What is to be done with a socket that was taken from HTTP.
enum TakenSocket {
    /// It is a session's, and its answer is written.
    Upgraded(AcceptedUpgrade),
    /// It is a session's, and nothing is written.
    Events(Box<AcceptedEvents>),
    Polls(PollRequest),
}

/// A connection on which requests come.
struct Visited {
    service: Service,
    visit: Visit,
    /// What its address has to give back.
    pass: Option<Arc<AddressPass>>,
    /// Its place on the node, until a session has it.
    guard: RefCell<Option<ConnectionGuard>>,
    /// Until somebody was served on it.
    arrival: RefCell<Option<Arrival>>,
    /// How many came since HTTP got the connection.
    requests: Cell<usize>,
    taken: RefCell<Option<TakenSocket>>,
}

impl Visited {
    /// Speaks HTTP until the connection is over, or a session's; or until a poll comes, which it is given back with.
    async fn speak_http(self: Rc<Self>, socket: Socket, early: Vec<u8>, header_timeout: Duration) -> Option<TakenPoll> {
        self.requests.set(0);
        let answer = {
            let visited = self.clone();
            move |request| {
                let visited = visited.clone();
                async move { visited.answer(request).await }
            }
        };
        let (mut socket, ahead) = http::serve(socket, early, self.visit.clone(), header_timeout, answer).await?;
        let Service { gateway, shard, .. } = &self.service;
        let session = match self.taken.take() {
            Some(TakenSocket::Upgraded(accepted)) => accepted.open(socket, self.pass.clone(), shard),
            Some(TakenSocket::Events(accepted)) => accepted.open(socket, self.pass.clone(), gateway, shard),
            Some(TakenSocket::Polls(request)) => {
                return Some(TakenPoll {
                    socket,
                    ahead,
                    request,
                    is_first: self.requests.get() == 1,
                });
            }
            None => {
                drop(patient_stream::end(&mut socket).await);
                None
            }
        }?;
        let guard = self.guard.take();
        // A task of its own: a connection at rest holds nothing of how it was opened.
        tokio::task::spawn_local(async move {
            session.serve(ahead.into()).await;
            drop(guard);
        });
        None
    }

    /// Answers polls, and speaks HTTP whenever something else comes, until the connection is over, or a session's.
    async fn answer_polls(self: Rc<Self>, mut poll: TakenPoll) {
        let Service { gateway, shard, .. } = &self.service;
        let mut polls = PollConnection::new(gateway.clone(), shard.clone());
        while let Some((socket, ahead)) = polls.serve(poll, || self.settle()).await {
            // Boxed: a connection on which a poll waits holds nothing of it.
            let speaking = Box::pin(self.clone().speak_http(socket, ahead, gateway.header_timeout));
            let Some(next) = speaking.await else { return };
            poll = next;
        }
    }

    /// Answers a request. None: whoever takes the socket will.
    async fn answer(&self, request: Request) -> Option<Response> {
        self.requests.update(|requests| requests + 1);
        let Service { gateway, router, .. } = &self.service;
        // Boxed: whoever waits for an answer holds nothing of how the request was read.
        let response = if let Some(route) = HttpRoute::at(request.uri().path()) {
            Box::pin(route.answer(gateway, None, request)).await
        } else {
            let Ok(response) = Box::pin(http::call(router.clone(), request)).await;
            response
        };
        self.finish(response).await
    }

    /// Does what remains for a request on this shard. None: whoever takes the socket will answer it.
    async fn finish(&self, mut response: Response) -> Option<Response> {
        let extensions = response.extensions_mut();
        if let Some(accepted) = extensions.remove() {
            self.taken.replace(Some(TakenSocket::Upgraded(accepted)));
            return Some(response);
        }
        match extensions.remove() {
            Some(ShardStep::Events(accepted)) => {
                self.taken.replace(Some(TakenSocket::Events(accepted)));
                return None;
            }
            Some(ShardStep::Poll(request)) => {
                self.taken.replace(Some(TakenSocket::Polls(request)));
                return None;
            }
            Some(ShardStep::Ticket(ticket)) => {
                let Service { gateway, shard, .. } = &self.service;
                response = Box::pin(ticket.issue(gateway, shard)).await;
            }
            None => {}
        }
        let Some(KeepOpen { is_known }) = response.extensions_mut().remove() else {
            // Whoever is refused has to take a connection for its next try, and gets no further answers for nothing.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
            return Some(response);
        };
        if is_known {
            self.settle();
        }
        Some(response)
    }

    /// Somebody who is known may keep it: it is no handshake any more.
    fn settle(&self) {
        if self.arrival.take().is_some() {
            self.pass.iter().for_each(|pass| pass.settle());
        }
    }
}

/// Whom the connection comes from. None: it must not go on.
async fn identify(
    mut socket: Socket,
    address: Option<IpAddr>,
    service: &Service,
    deadline: Instant,
) -> Option<(Socket, ClientPeer)> {
    static REFUSED: LogThrottle = LogThrottle::new();
    let peer = ClientPeer::accepted(address, service.gateway.proxies.load_full());
    if !service.proxy_protocol {
        return Some((socket, peer));
    }
    let refuse = |why: &dyn fmt::Display| {
        service.gateway.doorkeeper.refused(DoorRefusalKind::ProxyHeader);
        if let Some(others) = REFUSED.allow() {
            tracing::warn!(%peer, %why, others, "a connection to a listener with proxy_protocol is closed");
        }
    };
    if !peer.is_proxy() {
        // Nothing that it says matters.
        refuse(&"it is none of the trusted_proxies");
        return None;
    }
    match timeout_at(deadline, proxy_header::read(&mut socket)).await {
        Ok(Ok(header)) => Some((socket, peer.behind(header))),
        Ok(Err(ProxyHeaderError::Silent)) => None,
        Ok(Err(error)) => {
            refuse(&error);
            None
        }
        Err(_) => {
            refuse(&"its PROXY header did not come in time");
            None
        }
    }
}

/// Counts the connection for its address, where that is known before a request. An error: it was turned away.
fn arrive(service: &Service, socket: &Socket, peer: &ClientPeer) -> Result<Option<Arc<AddressPass>>, ()> {
    static TURNED_AWAY: LogThrottle = LogThrottle::new();
    let Some(address) = peer.counted() else {
        return Ok(None);
    };
    service.gateway.doorkeeper.arrive(address).map_err(|refusal| {
        if let Some(others) = TURNED_AWAY.allow() {
            tracing::info!(%peer, %refusal, others, "a connection is turned away");
        }
        let wait = refusal.retry_after().unwrap_or(COME_BACK);
        turn_away(socket, service.tls.is_some(), TOO_MANY, wait, &refusal.to_string());
    })
}
