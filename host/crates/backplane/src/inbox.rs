//! The inbox of a shard: what it has to deliver, in the order in which it came. Every tenant has room of its own, kept
//! until its envelopes are delivered, so one whose messages have thousands of receivers takes none of another's.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Envelope;

/// Envelopes of one tenant that a shard has yet to deliver, at most; a publisher waits for room.
pub const INBOX_ENVELOPES: usize = 1024;
/// Bytes of their messages, likewise. The message that reaches it is still taken.
const TENANT_BYTES: usize = 16 * 1_048_576;
/// Of all tenants together so many times that.
const TENANTS: usize = 8;
/// So many envelopes each tenant may have, whatever the others have.
const LEAST: usize = 16;

/// The side of the inbox that is written to. Shared by all that publish.
pub struct Inbox {
    /// Envelopes of one tenant at most.
    places: usize,
    state: Mutex<InboxState>,
    arrived: Notify,
    freed: Notify,
}

#[derive(Default)]
struct InboxState {
    arrived: Vec<Envelope>,
    /// No tenant stands here that has nothing to be delivered.
    tenants: HashMap<Arc<str>, InboxShare, RandomState>,
    all: InboxShare,
    /// Somebody waits for room.
    is_awaited: bool,
    is_closed: bool,
}

/// What was taken of the room, by envelopes that have arrived or are to.
#[derive(Clone, Copy, Default)]
struct InboxShare {
    envelopes: usize,
    bytes: usize,
}

/// The shard's side of its inbox. Dropped, the inbox is closed.
pub struct InboxReceiver(Arc<Inbox>);

/// Room for one envelope; dropped unused, it is given back.
pub(crate) struct InboxPlace<'a> {
    inbox: &'a Inbox,
    tenant: Arc<str>,
    bytes: usize,
    is_used: bool,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    Full,
    /// The shard is gone.
    Closed,
}

// === impl Inbox ===

impl Inbox {
    /// An empty inbox, and its shard's side.
    pub fn open() -> (Arc<Self>, InboxReceiver) {
        Self::with_places(INBOX_ENVELOPES)
    }

    /// One that has so many places for each tenant.
    pub(crate) fn with_places(places: usize) -> (Arc<Self>, InboxReceiver) {
        let inbox = Arc::new(Self {
            places,
            state: Mutex::default(),
            arrived: Notify::new(),
            freed: Notify::new(),
        });
        (inbox.clone(), InboxReceiver(inbox))
    }

    /// Takes a place for an envelope of `tenant` with a message of so many bytes, if there is one now.
    pub(crate) fn try_reserve(&self, tenant: &Arc<str>, bytes: usize) -> Result<InboxPlace<'_>, NoPlace> {
        let state = &mut *self.state.lock();
        if state.is_closed {
            return Err(NoPlace::Closed);
        }
        if !state.has_room(tenant, self.places) {
            state.is_awaited = true;
            return Err(NoPlace::Full);
        }
        let own = match state.tenants.get_mut(tenant) {
            Some(own) => own,
            None => state.tenants.entry(tenant.clone()).or_default(),
        };
        for share in [own, &mut state.all] {
            share.envelopes += 1;
            share.bytes += bytes;
        }
        Ok(InboxPlace {
            inbox: self,
            tenant: tenant.clone(),
            bytes,
            is_used: false,
        })
    }

    /// Adds an envelope when there is room; none once the shard is gone.
    pub(crate) async fn send(&self, envelope: Envelope) {
        loop {
            let freed = self.freed();
            match self.try_reserve(&envelope.topic().tenant, envelope.bytes()) {
                Ok(place) => return place.send(envelope),
                Err(NoPlace::Closed) => return,
                Err(NoPlace::Full) => freed.await,
            }
        }
    }

    /// Whether there is room for an envelope of `tenant`, or nobody to take one. If not, [`Inbox::freed`] is to be waited for.
    pub(crate) fn has_room(&self, tenant: &Arc<str>) -> bool {
        let mut state = self.state.lock();
        let has_room = state.is_closed || state.has_room(tenant, self.places);
        state.is_awaited |= !has_room;
        has_room
    }

    /// Waits until room was given back since this was called.
    pub(crate) fn freed(&self) -> impl Future<Output = ()> {
        self.freed.notified()
    }

    /// Gives room back.
    fn free(&self, tenant: &Arc<str>, envelopes: usize, bytes: usize) {
        let mut state = self.state.lock();
        if let Some(own) = state.tenants.get_mut(tenant) {
            own.envelopes -= envelopes;
            own.bytes -= bytes;
            if own.envelopes == 0 {
                state.tenants.remove(tenant);
            }
            state.all.envelopes -= envelopes;
            state.all.bytes -= bytes;
        }
        let is_awaited = std::mem::take(&mut state.is_awaited);
        drop(state);
        if is_awaited {
            self.freed.notify_waiters();
        }
    }
}

impl InboxState {
    fn has_room(&self, tenant: &Arc<str>, places: usize) -> bool {
        let Some(own) = self.tenants.get(tenant) else {
            return true;
        };
        let is_within =
            |share: &InboxShare, times: usize| share.envelopes < times * places && share.bytes < times * TENANT_BYTES;
        own.envelopes < LEAST.min(places) || (is_within(own, 1) && is_within(&self.all, TENANTS))
    }
}

// === impl InboxPlace ===

impl InboxPlace<'_> {
    pub(crate) fn send(mut self, envelope: Envelope) {
        self.is_used = true;
        let mut state = self.inbox.state.lock();
        let is_first = state.arrived.is_empty();
        state.arrived.push(envelope);
        drop(state);
        // The shard takes all that has arrived, so it is woken once for them.
        if is_first {
            self.inbox.arrived.notify_one();
        }
    }
}

impl Drop for InboxPlace<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            self.inbox.free(&self.tenant, 1, self.bytes);
        }
    }
}

// === impl InboxReceiver ===

impl InboxReceiver {
    /// Waits until something has arrived, and takes all of it. Its room is taken until it was [`InboxReceiver::delivered`].
    pub async fn receive(&mut self, into: &mut Vec<Envelope>) {
        loop {
            self.take_arrived(into);
            if !into.is_empty() {
                return;
            }
            self.0.arrived.notified().await;
        }
    }

    /// Takes what has arrived.
    pub fn take_arrived(&mut self, into: &mut Vec<Envelope>) {
        let arrived = &mut self.0.state.lock().arrived;
        if into.is_empty() {
            std::mem::swap(arrived, into);
        } else {
            into.append(arrived);
        }
    }

    /// These envelopes of `tenant` were delivered: their room is free.
    pub fn delivered(&self, tenant: &Arc<str>, envelopes: &[Envelope]) {
        let bytes = envelopes.iter().map(Envelope::bytes).sum();
        self.0.free(tenant, envelopes.len(), bytes);
    }
}

#[cfg(test)]
impl InboxReceiver {
    /// The next envelope; its room is free.
    pub(crate) async fn next(&mut self) -> Envelope {
        loop {
            if let Some(envelope) = self.try_next() {
                return envelope;
            }
            self.0.arrived.notified().await;
        }
    }

    pub(crate) fn try_next(&mut self) -> Option<Envelope> {
        let mut state = self.0.state.lock();
        let envelope = (!state.arrived.is_empty()).then(|| state.arrived.remove(0))?;
        drop(state);
        self.delivered(&envelope.topic().tenant, std::slice::from_ref(&envelope));
        Some(envelope)
    }
}

impl Drop for InboxReceiver {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_closed = true;
        drop(state);
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
