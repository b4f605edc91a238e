//! From an upgrade that was answered to a session that waits for `connect`.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::Session;
use super::context::Context;
use crate::doorkeeper::{AddressPass, TenantPlace};
use crate::hub::ClientConnection;
use crate::shard::{Shard, ShardTenant};
use crate::transport::ClientStream;
use backplane::MemoryUse;
use chain::{Caller, Upgrade};
use wire::DeflateWindow;

/// An upgraded connection, and the data of its request.
pub struct Opening {
    /// The stream after the handshake.
    pub stream: ClientStream,
    pub remote: IpAddr,
    /// What was agreed on for compressed messages, if anything was.
    pub deflate: Option<DeflateWindow>,
    /// The token of the upgrade request.
    pub token: Option<Box<str>>,
    /// The rest of it.
    pub upgrade: Arc<Upgrade>,
    /// Its place among the tenant's connections of this node.
    pub place: TenantPlace,
    /// What its address has to give back, where addresses have limits.
    pub pass: Option<Arc<AddressPass>>,
}

impl Opening {
    /// The session on this connection. It has read nothing yet.
    pub fn into_session(self, shard: Rc<Shard>, tenant: Rc<ShardTenant>) -> Box<Session> {
        Session::new(self.into_context(shard, tenant))
    }

    pub(super) fn into_context(self, shard: Rc<Shard>, tenant: Rc<ShardTenant>) -> Rc<Context> {
        let settings = tenant.settings();
        let session: Arc<str> = session_id().into();
        let outbox_bytes = settings.limits.outbox_bytes;
        let footprint = &tenant.metrics.footprint;
        let client = ClientConnection::new(
            shard.client_id(),
            session.clone(),
            self.stream,
            self.deflate,
            outbox_bytes,
            footprint,
        );
        let caller = Caller::new(session, settings.name.clone(), self.remote, "websocket");
        let caller = caller.counting_verdicts(footprint.count(MemoryUse::Caches));
        let entry = (self.place, self.pass);
        Context::new(shard, tenant, client, Arc::new(caller), self.token, self.upgrade, entry)
    }
}

/// 128 random bits, so that a session's id cannot be guessed.
fn session_id() -> String {
    let [high, low] = [(); 2].map(|()| getrandom::u64().expect("the system gives random bytes"));
    format!("{high:016x}{low:016x}")
}
