//! `GET /sse`: a stream of events. Its session takes the socket, because its answer waits for what becomes of `connect`, and
//! has no end.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use protocol::names::Channel;
use protocol::{Connect, Position, Subscribe, stream_mark};

use super::answers::{ClientPage, boxed};
use super::body::bad;
use crate::doorkeeper::AddressPass;
use crate::framing::{StreamHead, refusal_events};
use crate::gateway::entry::{self, Admitted, Entrant, Stay, Visit};
use crate::gateway::keep_open::KeepOpen;
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::socket::Socket;
use crate::gateway::state::Gateway;
use crate::gateway::{bearer, headers, ticket_use};
use crate::hub::EventStream;
use crate::session::{Session, Transport};
use crate::shard::Shard;
use protocol::write::{self, ErrorReply};
use protocol::{RequestId, codes};
use wall_clock::now_ms;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Channels that a stream's URL names at most.
const CHANNELS: usize = 32;

/// A stream that a session is to begin.
#[derive(Clone)]
pub(in crate::gateway) struct AcceptedEvents {
    admitted: Admitted,
    wanted: WantedStream,
    head: StreamHead,
}

/// What a stream's URL asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct WantedStream {
    channels: Vec<Channel>,
    presence: bool,
    /// How far the client has the channels, in their order, if it says so.
    since: Option<Vec<Option<Position>>>,
    /// Whether it says something else than a stream ever told it.
    is_lost: bool,
}

struct StreamRequest {
    visit: Visit,
    remote: IpAddr,
    token: Option<String>,
    ticket: Option<String>,
    wanted: WantedStream,
    request: Arc<chain::Upgrade>,
}

pub(in crate::gateway) async fn answer(
    gateway: &Gateway,
    named: Option<&str>,
    request: Request,
) -> Result<Box<AcceptedEvents>, Box<Response>> {
    let page = match ClientPage::of(gateway, named, &request) {
        Ok(page) => page,
        Err(refusal) => return Err(boxed(refusal)),
    };
    let asked = asked(gateway, &page, &request);
    drop(request);
    let accepted = match asked {
        Ok(asked) => accept(gateway, &page, asked).await,
        Err(refusal) => Err(refusal),
    };
    accepted.map(Box::new).map_err(|refusal| refuse(&page, refusal).into())
}

fn asked(gateway: &Gateway, page: &ClientPage, request: &Request) -> Result<StreamRequest, HttpRefusal> {
    let visit = entry::visit(request)?;
    entry::check_node(gateway, visit)?;
    let headers = request.headers();
    // A page's own GETs say no origin, but whose they are.
    let is_own = headers::single(headers, &SEC_FETCH_SITE)? == Some("same-origin");
    let ticket = ticket_use::of_query(request)?;
    let token = match bearer::header_token(headers)? {
        None if ticket.is_none() && (page.origin.is_some() || is_own) => entry::cookie_token(&page.tenant, headers)?,
        token => token,
    };
    Ok(StreamRequest {
        remote: visit.peer.client(headers),
        visit: visit.clone(),
        token,
        ticket,
        wanted: wanted(&ticket_use::query(request)?, headers)?,
        request: entry::shown(request, page.origin.as_deref()),
    })
}

fn wanted(query: &[(String, String)], headers: &HeaderMap) -> Result<WantedStream, HttpRefusal> {
    let mut wanted = WantedStream::default();
    let mut mark = headers
        .get(LAST_EVENT_ID)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    for (name, value) in query {
        match name.as_str() {
            "channels" => {
                for name in value.split(',').filter(|name| !name.is_empty()) {
                    let channel = Channel::parse(name).map_err(|error| bad(format!("channels: {error}")))?;
                    if wanted.channels.contains(&channel) {
                        return Err(bad(format!("channels: {name:?} is there twice")));
                    }
                    wanted.channels.push(channel);
                }
            }
            "presence" => match value.as_str() {
                "true" => wanted.presence = true,
                "false" => wanted.presence = false,
                other => return Err(bad(format!("presence must be true or false, not {other:?}"))),
            },
            // The header is what a browser got last; the query stays as it was.
            "last_event_id" => mark = mark.or_else(|| Some(value.clone())),
            _ => {}
        }
    }
    if wanted.channels.len() > CHANNELS {
        let sentence = format!("a stream's URL names at most {CHANNELS} channels; subscribe to more by POST /send");
        return Err(bad(sentence));
    }
    if let Some(mark) = mark.filter(|mark| !mark.is_empty()) {
        wanted.since = stream_mark::read(&mark, wanted.channels.len());
        wanted.is_lost = wanted.since.is_none();
    }
    Ok(wanted)
}

async fn accept(gateway: &Gateway, page: &ClientPage, asked: StreamRequest) -> Result<AcceptedEvents, HttpRefusal> {
    let StreamRequest {
        visit,
        remote,
        wanted,
        request,
        ..
    } = asked;
    let token = match (asked.token, &asked.ticket) {
        (None, Some(ticket)) => {
            let comes_back = wanted.since.is_some();
            Some(ticket_use::redeem_for_stream(gateway, remote, &page.tenant, ticket, comes_back).await?)
        }
        (token, _) => token,
    };
    let entrant = Entrant {
        token,
        request,
        stay: Stay::WithConnection,
    };
    Ok(AcceptedEvents {
        admitted: entry::admit(gateway, &visit, remote, &page.tenant, entrant)?,
        wanted,
        head: StreamHead {
            lines: page.cors.lines(),
        },
    })
}

/// Browsers take every status but 200 for final, so who may come back is told so in a stream.
fn refuse(page: &ClientPage, refusal: HttpRefusal) -> Response {
    let is_for_now = matches!(
        refusal.status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    if !is_for_now {
        return page.answer(Err(refusal));
    }
    let wait = refusal.wait().unwrap_or_default();
    let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let sentence = refusal.to_string();
    let error = ErrorReply {
        retry_after_ms: Some(retry_after_ms),
        ..ErrorReply::new(codes::RATE_LIMITED, &sentence)
    };
    let error = write::error(&RequestId::number(0), now_ms(), &error).to_vec();
    let stream = (
        [(CONTENT_TYPE, "text/event-stream")],
        refusal_events(&error, Some(retry_after_ms)),
    );
    let mut response = page.answer(Ok(stream.into_response()));
    // Whatever its status: who is refused has to take a connection for the next try.
    response.extensions_mut().remove::<KeepOpen>();
    response
}

// === impl AcceptedEvents ===

impl AcceptedEvents {
    /// The session of the stream on the socket. None: a reload took the tenant away since.
    ///
    /// `pass` is that of the connection, where its address is the client's.
    pub(in crate::gateway) fn open(
        self,
        socket: Socket,
        pass: Option<Arc<AddressPass>>,
        gateway: &Gateway,
        shard: &Rc<Shard>,
    ) -> Option<Box<Session>> {
        let WantedStream {
            channels,
            presence,
            since,
            is_lost,
        } = self.wanted;
        let mut since = since.unwrap_or_default().into_iter();
        let subscribe = channels.iter().map(|channel| Subscribe {
            channel: channel.clone(),
            since: since.next().flatten().or_else(|| is_lost.then(nowhere)),
            presence,
        });
        let connect = Connect {
            token: None,
            client_name: None,
            subscribe: subscribe.collect(),
            data: None,
        };
        // Whoever reads says nothing: the system is asked whether what is sent arrives.
        socket.give_up_unheard_after(shard.common.ping * 2);
        let posts = gateway.sessions.add(&self.admitted.tenant);
        let name = posts.name.clone();
        let transport = Transport::Events {
            stream: socket.into(),
            events: Box::new(EventStream::new(self.head, channels)),
            connect: Box::new(connect),
            posts,
        };
        self.admitted.open(name, transport, pass, shard)
    }
}

/// A position that no channel ever had: what was missed is not known.
fn nowhere() -> Position {
    Position {
        epoch: "".into(),
        offset: 0,
    }
}
