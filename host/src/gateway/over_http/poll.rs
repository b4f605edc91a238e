//! `POST /poll`: whatever there is for a client that asks, as soon as there is something.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Request;
use axum::response::Response;
use registry::{OpenClaim, SessionOwner};

use super::answers::{ClientPage, boxed, done};
use super::body::{self, PostBody};
use super::poll_body::{FirstRequest, PollBody};
use super::poll_head::{PollHead, WrittenAnswer};
use super::session_name::{NamedSession, deliver, find};
use crate::gateway::bearer;
use crate::gateway::entry::{self, Admitted, Entrant, Stay, unavailable};
use crate::gateway::lazy_timer::LazyTimer;
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::turned_away::COME_BACK;
use crate::http_sessions::{PostedTo, secret_hash};
use crate::session::Transport;
use crate::shard::Shard;
use relay::{LocalSessions as _, Post, PostKind};

/// Bytes of `open` at most.
const OPEN_BYTES: usize = 256;

/// A poll that was read. It waits for what a session says, and so its connection is taken from HTTP.
#[derive(Clone)]
pub(in crate::gateway) struct PollRequest {
    pub head: Arc<PollHead>,
    asks: Asks,
}

#[derive(Clone)]
enum Asks {
    ToBegin(Box<FirstPoll>),
    Session(Box<SessionPoll>),
}

/// A poll that begins a session.
#[derive(Clone)]
struct FirstPoll {
    admitted: Admitted,
    /// By which it may be said again.
    open: Option<[u8; 32]>,
    kind: PostKind,
    batch: Option<u64>,
    requests: Vec<Bytes>,
}

/// A poll of a session.
#[derive(Clone)]
struct SessionPoll {
    at: SessionAt,
    post: Post,
    /// It takes its place until it is answered.
    _body: Arc<PostBody>,
}

/// Where a session is.
#[derive(Clone)]
enum SessionAt {
    Here(Arc<PostedTo>),
    Elsewhere(SessionOwner),
}

/// Who asks, before the body is read.
struct Asker {
    visit: entry::Visit,
    remote: IpAddr,
    token: Option<String>,
    request: Arc<chain::Upgrade>,
}

/// Reads a poll, or says why not.
pub(in crate::gateway) async fn answer(
    gateway: &Gateway,
    named: Option<&str>,
    request: Request,
) -> Result<PollRequest, Box<Response>> {
    let page = ClientPage::of(gateway, named, &request).map_err(boxed)?;
    let read = read(gateway, &page, request).await;
    read.map_err(|refusal| page.answer(Err(refusal)).into())
}

async fn read(gateway: &Gateway, page: &ClientPage, mut request: Request) -> Result<PollRequest, HttpRefusal> {
    let head = Arc::new(PollHead::of(page, &request)?);
    let tenant = &page.tenant;
    let body = body::read(std::mem::take(request.body_mut()), gateway, tenant).await?;
    let bytes = body.bytes.clone();
    let poll = PollBody::read(head.codec, &bytes)?;
    let requests = body::requests(&bytes, &poll.requests, tenant)?;
    if let Some(credential) = &poll.session {
        let NamedSession { name, owner } = find(gateway, head.remote, tenant, credential).await?;
        let at = match &owner {
            SessionOwner::Here => gateway.sessions.of(&tenant.name, &name).map(SessionAt::Here),
            SessionOwner::Instance(_) => None,
        };
        let at = at.unwrap_or(SessionAt::Elsewhere(owner));
        return Ok(SessionPoll::request(head.clone(), at, name, &poll, requests, body));
    }
    let asker = asker(page, &request)?;
    entry::check_node(gateway, &asker.visit)?;
    let begins = poll
        .requests
        .first()
        .and_then(|first| FirstRequest::read(head.codec, first));
    let Some(first) = begins.filter(|first| first.r#type == "connect") else {
        return Err(body::bad(
            "a poll without a session begins one: its first request must be connect",
        ));
    };
    let open = poll.open.or(first.open());
    if open.as_ref().is_some_and(|open| open.len() > OPEN_BYTES) {
        return Err(body::bad(format!("open has at most {OPEN_BYTES} bytes")));
    }
    let entrant = Entrant {
        token: asker.token,
        request: asker.request,
        stay: Stay::Beyond,
    };
    let first = FirstPoll {
        admitted: entry::admit(gateway, &asker.visit, asker.remote, tenant, entrant)?,
        open: open.as_deref().map(secret_hash),
        kind: poll.kind,
        batch: poll.batch,
        requests,
    };
    let asks = Asks::ToBegin(Box::new(first));
    Ok(PollRequest { head, asks })
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

// === impl PollRequest ===

impl PollRequest {
    /// A poll of a session on this node.
    pub(super) fn of_session(
        head: Arc<PollHead>,
        session: Arc<PostedTo>,
        poll: &PollBody<'_>,
        requests: Vec<Bytes>,
        body: PostBody,
    ) -> Self {
        let name = session.name().clone();
        SessionPoll::request(head, SessionAt::Here(session), name, poll, requests, body)
    }

    /// The session that it names, if that is on this node.
    pub(in crate::gateway) fn session(&self) -> Option<&Arc<PostedTo>> {
        match &self.asks {
            Asks::Session(poll) => match &poll.at {
                SessionAt::Here(session) => Some(session),
                SessionAt::Elsewhere(_) => None,
            },
            Asks::ToBegin(_) => None,
        }
    }

    /// What it is, if it is of a session and has no requests.
    pub(super) fn asks_nothing(&self) -> Option<PostKind> {
        match &self.asks {
            Asks::Session(poll) => poll.post.requests.is_empty().then_some(poll.post.kind),
            Asks::ToBegin(_) => None,
        }
    }

    /// Waits for what there is for its client.
    pub(in crate::gateway) async fn answer(
        self,
        gateway: &Arc<Gateway>,
        shard: &Rc<Shard>,
        timer: &mut LazyTimer,
    ) -> WrittenAnswer {
        let answered = match self.asks {
            Asks::Session(poll) => poll.answer(gateway, timer).await,
            Asks::ToBegin(first) => Box::pin(first.begin(&self.head, gateway, shard)).await,
        };
        self.head.write(answered)
    }
}

// === impl SessionPoll ===

impl SessionPoll {
    fn request(
        head: Arc<PollHead>,
        at: SessionAt,
        session: Arc<str>,
        poll: &PollBody<'_>,
        requests: Vec<Bytes>,
        body: PostBody,
    ) -> PollRequest {
        let post = Post {
            tenant: head.page.tenant.name.clone(),
            session,
            open: None,
            kind: poll.kind,
            batch: poll.batch,
            requests,
            codec: head.codec,
        };
        let asks = Asks::Session(Box::new(Self {
            at,
            post,
            _body: Arc::new(body),
        }));
        PollRequest { head, asks }
    }

    async fn answer(self, gateway: &Gateway, timer: &mut LazyTimer) -> Result<Bytes, HttpRefusal> {
        let Self { at, post, _body } = self;
        done(match at {
            SessionAt::Elsewhere(owner) => deliver(gateway, owner, post).await,
            SessionAt::Here(session) => match session.bring(post) {
                Err(refused) => refused,
                Ok(mut awaited) => {
                    let answer = timer.within(awaited.within(), &mut awaited).await;
                    answer.unwrap_or_else(|| awaited.too_late())
                }
            },
        })
    }
}

// === impl FirstPoll ===

impl FirstPoll {
    /// Opens the session, unless it is there already, and waits for what there is for its client.
    async fn begin(self, head: &PollHead, gateway: &Arc<Gateway>, shard: &Rc<Shard>) -> Result<Bytes, HttpRefusal> {
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
            codec: head.codec,
        };
        if let Some(open) = &self.open {
            match gateway.registry.claim_open(&tenant, open, &posts.name).await {
                Ok(OpenClaim::Mine) => {}
                Ok(OpenClaim::Theirs { owner, session }) => {
                    post.session = session;
                    return done(deliver(gateway, owner, post).await);
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
            codec: head.codec,
        };
        let Some(session) = self.admitted.open(name, transport, None, shard) else {
            return Err(unavailable("the tenant cannot be served now", COME_BACK));
        };
        tokio::task::spawn_local(async move {
            session.serve(Bytes::new()).await;
            drop(guard);
        });
        done(gateway.sessions.post(post).await)
    }
}
