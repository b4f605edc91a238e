//! From an upgrade that was answered to a session that waits for `connect`.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::Session;
use super::clock::Clock;
use super::rate::Rate;
use crate::chain::{Caller, Handshake};
use crate::hub::Line;
use crate::shard::{Shard, ShardTenant};
use crate::wire::Decoder;

/// A socket that was upgraded, and what its request brought.
pub struct Opening {
    /// The socket, past the handshake.
    pub stream: TcpStream,
    /// The peer's address.
    pub remote: IpAddr,
    /// Of the upgrade request.
    pub handshake: Handshake,
}

impl Session {
    /// A session that has not heard anything yet.
    pub fn open(opening: Opening, shard: Rc<Shard>, tenant: Rc<ShardTenant>) -> Box<Self> {
        let settings = tenant.settings();
        let session: Arc<str> = session_id().into();
        let line = Line::new(
            shard.line_id(),
            session.clone(),
            opening.stream,
            settings.limits.outbox_bytes,
        );
        let caller = Caller::new(session, settings.name.clone(), opening.remote, "websocket");
        let caller = Arc::new(caller);
        let listing = shard.list(&line, &caller);
        Box::new(Self {
            clock: Clock::new(shard.common.ping, shard.common.connect_timeout),
            decoder: Decoder::new(settings.limits.message_bytes),
            rate: settings.limits.publish_per_second.map(Rate::new),
            shard,
            tenant,
            line,
            caller,
            handshake: Arc::new(opening.handshake),
            seat: None,
            subscriptions: std::collections::HashMap::default(),
            under_way: VecDeque::new(),
            next_subscription: 0,
            _listing: listing,
        })
    }
}

/// 128 random bits: nobody guesses another's session.
fn session_id() -> String {
    let [high, low] = [(); 2].map(|()| getrandom::u64().expect("the system gives random bytes"));
    format!("{high:016x}{low:016x}")
}
