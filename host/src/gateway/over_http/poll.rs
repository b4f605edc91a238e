//! `POST /poll`: whatever there is for a client that asks, as soon as there is something.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::response::Response;
use protocol::Whole;
use registry::{OpenClaim, SessionOwner};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answers::{ClientPage, boxed, posted};
use super::body::{self, PostBody};
use super::session_name::{NamedSession, deliver, find};
use crate::gateway::bearer;
use crate::gateway::entry::{self, Admitted, Entrant, Stay, unavailable};
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::turned_away::COME_BACK;
use crate::http_sessions::secret_hash;
use crate::session::Transport;
use crate::shard::Shard;
use protocol::Codec;
use relay::{LocalSessions as _, Post, PostKind};

/// How long a poll waits that says nothing of it …
const WAIT_MS: u64 = 25_000;
/// … and at most: proxies end what is silent for a minute.
const MAX_WAIT_MS: u64 = 55_000;
/// Bytes of `open` at most.
const OPEN_BYTES: usize = 256;

/// What a poll says beside its requests.
#[derive(Deserialize)]
struct PollBody {
    session: Option<String>,
    batch: Option<Whole<u64>>,
    ack: Option<Whole<u64>>,
    wait_ms: Option<Whole<u64>>,
    open: Option<String>,
}

#[derive(Deserialize)]
struct PollRequests<'a> {
    #[serde(borrow, default)]
    requests: Vec<&'a RawValue>,
}

impl PollBody {
    /// A poll, and its requests as they are encoded.
    fn read(codec: Codec, bytes: &[u8]) -> Result<(Self, Vec<&[u8]>), HttpRefusal> {
        if codec == Codec::MessagePack {
            return Self::read_packed(bytes);
        }
        let poll = serde_json::from_slice(bytes).map_err(|error| no_poll(error.to_string()))?;
        let PollRequests { requests } = serde_json::from_slice(bytes).map_err(|error| no_poll(error.to_string()))?;
        Ok((poll, requests.iter().map(|request| request.get().as_bytes()).collect()))
    }

    /// The same in MessagePack.
    fn read_packed(bytes: &[u8]) -> Result<(Self, Vec<&[u8]>), HttpRefusal> {
        let fields = ["session", "batch", "ack", "wait_ms", "open", "requests"];
        let values = message_pack::first_fields(bytes, &fields).map_err(|fault| no_poll(format!("it {fault}")))?;
        let [scalars @ .., requests] = values;
        let mut said = Vec::new();
        for (name, value) in fields.iter().zip(scalars) {
            if let Some(value) = value {
                let value = message_pack::to_json(value, None).map_err(|bad| no_poll(format!("{name}: {bad}")))?;
                said.push(format!("\"{name}\":{}", value.text));
            }
        }
        let poll =
            serde_json::from_str(&format!("{{{}}}", said.join(","))).map_err(|error| no_poll(error.to_string()))?;
        let requests = requests.map_or(Ok(Vec::new()), |requests| body::list(Codec::MessagePack, requests))?;
        Ok((poll, requests))
    }
}

fn no_poll(why: String) -> HttpRefusal {
    body::bad(format!("the body is no poll: {why}"))
}

/// As much of an envelope as says that it begins a session, and how it may be said again.
#[derive(Deserialize)]
struct FirstRequest {
    r#type: String,
    open: Option<String>,
    payload: Option<FirstPayload>,
}

#[derive(Deserialize)]
struct FirstPayload {
    open: Option<String>,
}

impl FirstRequest {
    fn read(codec: Codec, request: &[u8]) -> Option<Self> {
        match codec {
            Codec::Json => serde_json::from_slice(request).ok(),
            Codec::MessagePack => serde_json::from_str(&message_pack::to_json(request, None).ok()?.text).ok(),
        }
    }
}

/// A poll that begins a session.
#[derive(Clone)]
pub(in crate::gateway) struct FirstPoll {
    admitted: Admitted,
    page: ClientPage,
    /// By which it may be said again.
    open: Option<[u8; 32]>,
    kind: PostKind,
    batch: Option<u64>,
    requests: Vec<Bytes>,
    codec: Codec,
}

/// Who asks, before the body is read.
struct Asker {
    visit: entry::Visit,
    remote: std::net::IpAddr,
    token: Option<String>,
    request: Arc<chain::Upgrade>,
}

/// A poll of a session.
#[derive(Clone)]
pub(in crate::gateway) struct SessionPoll {
    page: ClientPage,
    owner: SessionOwner,
    post: Post,
    /// It takes its place until it is answered.
    _body: Arc<PostBody>,
}

/// A poll that was read. It waits for what a session says.
#[derive(Clone)]
pub(in crate::gateway) enum Polled {
    Begins(Box<FirstPoll>),
    GoesOn(Box<SessionPoll>),
}

/// Reads a poll, or says why not.
pub(in crate::gateway) async fn answer(
    gateway: &Gateway,
    named: Option<&str>,
    request: Request,
) -> Result<Polled, Box<Response>> {
    let page = ClientPage::of(gateway, named, &request).map_err(boxed)?;
    let polled = read(gateway, &page, request).await;
    polled.map_err(|refusal| page.answer(Err(refusal)).into())
}

async fn read(gateway: &Gateway, page: &ClientPage, mut request: Request) -> Result<Polled, HttpRefusal> {
    let tenant = &page.tenant;
    let remote = entry::visit(&request)?.peer.client(request.headers());
    let codec = body::codec(request.headers())?;
    let body = body::read(std::mem::take(request.body_mut()), gateway, tenant).await?;
    let bytes = &body.bytes;
    let (poll, list) = PollBody::read(codec, bytes)?;
    let requests = body::requests(bytes, &list, tenant)?;
    let number = |whole: Option<Whole<u64>>| whole.map(|whole| whole.0);
    let wait = number(poll.wait_ms).unwrap_or(WAIT_MS).min(MAX_WAIT_MS);
    let kind = PostKind::Poll {
        ack: number(poll.ack).unwrap_or(0),
        wait: Duration::from_millis(wait),
    };
    let batch = number(poll.batch);
    if let Some(credential) = poll.session {
        let NamedSession { name, owner } = find(gateway, remote, tenant, &credential).await?;
        let post = Post {
            tenant: tenant.name.clone(),
            session: name,
            open: None,
            kind,
            batch,
            requests,
            codec,
        };
        return Ok(Polled::GoesOn(Box::new(SessionPoll {
            page: page.clone(),
            owner,
            post,
            _body: Arc::new(body),
        })));
    }
    let asker = asker(page, &request)?;
    entry::check_node(gateway, &asker.visit)?;
    let begins = list.first().and_then(|first| FirstRequest::read(codec, first));
    let Some(first) = begins.filter(|first| first.r#type == "connect") else {
        return Err(body::bad(
            "a poll without a session begins one: its first request must be connect",
        ));
    };
    let open = poll
        .open
        .or(first.open)
        .or(first.payload.and_then(|payload| payload.open));
    if open.as_ref().is_some_and(|open| open.len() > OPEN_BYTES) {
        return Err(body::bad(format!("open has at most {OPEN_BYTES} bytes")));
    }
    let entrant = Entrant {
        token: asker.token,
        request: asker.request,
        stay: Stay::Beyond,
    };
    Ok(Polled::Begins(Box::new(FirstPoll {
        admitted: entry::admit(gateway, &asker.visit, asker.remote, tenant, entrant)?,
        page: page.clone(),
        open: open.as_deref().map(secret_hash),
        kind,
        batch,
        requests,
        codec,
    })))
}

fn asker(page: &ClientPage, request: &Request) -> Result<Asker, HttpRefusal> {
    let visit = entry::visit(request)?;
    let token = match bearer::header_token(request.headers())? {
        None if page.origin.is_some() => entry::cookie_token(&page.tenant, request.headers())?,
        token => token,
    };
    Ok(Asker {
        remote: visit.peer.client(request.headers()),
        visit: visit.clone(),
        token,
        request: entry::shown(request, page.origin.as_deref()),
    })
}

// === impl SessionPoll ===

impl SessionPoll {
    /// Waits for what there is for its client.
    pub(in crate::gateway) async fn answer(self, gateway: &Gateway) -> Response {
        let Self {
            page,
            owner,
            post,
            _body,
        } = self;
        let codec = post.codec;
        page.answer(posted(codec, deliver(gateway, owner, post).await))
    }
}

// === impl FirstPoll ===

impl FirstPoll {
    /// Opens the session, unless it is there already, and waits for what there is for its client.
    pub(in crate::gateway) async fn begin(self, gateway: &Arc<Gateway>, shard: &Rc<Shard>) -> Response {
        let page = self.page.clone();
        let answered = self.open(gateway, shard).await;
        page.answer(answered)
    }

    async fn open(self, gateway: &Arc<Gateway>, shard: &Rc<Shard>) -> Result<Response, HttpRefusal> {
        let Some(guard) = gateway.admit().filter(|guard| guard.is_session) else {
            return Err(unavailable("the node is full", COME_BACK));
        };
        let tenant = self.admitted.tenant.clone();
        let posts = gateway.sessions.add(&tenant);
        let mut post = Post {
            tenant: tenant.clone(),
            session: posts.name.clone(),
            open: self.open,
            kind: self.kind,
            batch: self.batch,
            requests: self.requests,
            codec: self.codec,
        };
        if let Some(open) = &self.open {
            match gateway.registry.claim_open(&tenant, open, &posts.name).await {
                Ok(OpenClaim::Mine) => {}
                Ok(OpenClaim::Theirs { owner, session }) => {
                    post.session = session;
                    return posted(self.codec, deliver(gateway, owner, post).await);
                }
                Err(error) => {
                    tracing::debug!(%error, "a first poll waits for Redis");
                    return Err(unavailable(
                        "it is not known now whether the session is open",
                        COME_BACK,
                    ));
                }
            }
        }
        let name = posts.name.clone();
        let transport = Transport::Polls {
            posts,
            codec: self.codec,
        };
        let Some(session) = self.admitted.open(name, transport, None, shard) else {
            return Err(unavailable("the tenant cannot be served now", COME_BACK));
        };
        tokio::task::spawn_local(async move {
            session.serve(Bytes::new()).await;
            drop(guard);
        });
        posted(self.codec, gateway.sessions.post(post).await)
    }
}
