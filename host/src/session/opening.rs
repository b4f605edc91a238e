//! From a request that was accepted to a session that waits for `connect`, or begins with it.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::backlog::Backlog;
use super::connection::Session;
use super::context::{Brought, Context};
use super::input::ClientInput;
use super::posts::Posts;
use crate::doorkeeper::{AddressPass, TenantPlace};
use crate::framing::Framing;
use crate::http_sessions::{PostBox, SessionPlace};
use crate::hub::{ClientConnection, ConnectionShape, EventStream};
use crate::poll_answers::PollAnswers;
use crate::shard::{Shard, ShardTenant};
use crate::transport::{Carrier, ClientStream};
use backplane::MemoryUse;
use chain::{Caller, Upgrade};
use protocol::{Body, Codec, Connect, Request, RequestId};
use wire::{Decoder, DeflateWindow};

/// An accepted client, and the data of its request.
pub struct Opening {
    /// The session's id, unique in the cluster.
    pub session: Arc<str>,
    pub transport: Transport,
    pub remote: IpAddr,
    /// The token of the request.
    pub token: Option<Box<str>>,
    /// The rest of it.
    pub upgrade: Arc<Upgrade>,
    /// Its place among the tenant's connections of this node.
    pub place: TenantPlace,
    /// What its address has to give back, where addresses have limits.
    pub pass: Option<Arc<AddressPass>>,
}

/// How a client reaches the broker.
pub enum Transport {
    WebSocket {
        /// The stream after the handshake.
        stream: ClientStream,
        codec: Codec,
        /// What was agreed on for compressed messages, if anything was.
        deflate: Option<DeflateWindow>,
    },
    /// It reads a stream of events, and posts beside it.
    Events {
        /// Its request was read, and nothing was written to it.
        stream: ClientStream,
        events: Box<EventStream>,
        connect: Box<Connect>,
        posts: PostBox,
    },
    /// It polls.
    Polls { posts: PostBox, codec: Codec },
}

impl Transport {
    /// Its name, as plugins and operators see it.
    fn name(&self) -> &'static str {
        match self {
            Self::WebSocket { .. } => "websocket",
            Self::Events { .. } => "sse",
            Self::Polls { .. } => "poll",
        }
    }
}

impl Opening {
    /// The session of this client. It has read nothing yet.
    pub fn into_session(self, shard: Rc<Shard>, tenant: Rc<ShardTenant>) -> Box<Session> {
        let (context, input, backlog) = self.into_parts(shard, tenant);
        Session::new(context, input, backlog)
    }

    pub(super) fn into_context(self, shard: Rc<Shard>, tenant: Rc<ShardTenant>) -> Rc<Context> {
        self.into_parts(shard, tenant).0
    }

    fn into_parts(self, shard: Rc<Shard>, tenant: Rc<ShardTenant>) -> (Rc<Context>, ClientInput, Backlog) {
        let settings = tenant.settings();
        let limits = &settings.limits;
        let transport = self.transport.name();
        let mut backlog = Backlog::default();
        let client_id = shard.client_id();
        let (shape, input, key) = match self.transport {
            Transport::WebSocket { stream, codec, deflate } => {
                let decoder = Decoder::new(limits.message_bytes);
                let decoder = match deflate {
                    Some(_) => decoder.with_deflate(),
                    None => decoder,
                };
                let shape = ConnectionShape::websocket(stream, codec, deflate);
                (shape, ClientInput::Messages(decoder), None)
            }
            Transport::Events {
                stream,
                events,
                connect,
                posts,
            } => {
                let connect = Request {
                    id: RequestId::number(0),
                    body: Body::Connect(connect),
                };
                backlog.push(Ok(connect), 0);
                let shape = ConnectionShape {
                    carrier: Carrier::Stream(stream),
                    codec: Codec::Json,
                    framing: Framing::Events,
                    events: Some(events),
                    deflate: None,
                };
                let key = posts.key.clone();
                (shape, ClientInput::Posts(Box::new(Posts::new(posts))), Some(key))
            }
            Transport::Polls { posts, codec } => {
                posts.open_at(SessionPlace {
                    shard: shard.index,
                    client: client_id,
                });
                let answers = PollAnswers::new(codec, posts.credential());
                let shape = ConnectionShape {
                    carrier: Carrier::Polls(Box::new(RefCell::new(answers))),
                    codec,
                    framing: Framing::Bare,
                    events: None,
                    deflate: None,
                };
                let key = posts.key.clone();
                (shape, ClientInput::Posts(Box::new(Posts::new(posts))), Some(key))
            }
        };
        let footprint = &tenant.metrics.footprint;
        let client = ClientConnection::new(client_id, self.session.clone(), shape, limits.outbox_bytes, footprint);
        let caller = Caller::new(self.session, settings.name.clone(), self.remote, transport);
        let caller = caller.counting_verdicts(footprint.count(MemoryUse::Caches));
        let brought = Brought {
            token: self.token,
            upgrade: self.upgrade,
            place: self.place,
            pass: self.pass,
            key,
        };
        let context = Context::new(shard, tenant, client, Arc::new(caller), brought);
        (context, input, backlog)
    }
}
