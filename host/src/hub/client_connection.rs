//! The connection to one client: its stream, its outbox, and the signals by which the shard reaches its session.
//! Knows no envelope and no subscription.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connection_shape::ConnectionShape;
use super::event_stream::EventStream;
use super::forms::frame_form;
use crate::framing::{Framing, ReplyPart};
use crate::outbox::{Flushed, Outbox, Policy, PushResult};
use crate::transport::Carrier;
use backplane::{Form, MemoryUse, TenantFootprint};
use protocol::codes::CloseCode;
use protocol::names::Channel;
use protocol::{Codec, Position};
use wire::DeflateWindow;

/// The connection to one client. The session owns the reading side and the waiting; anyone on the shard may queue.
pub struct ClientConnection {
    /// Unique on the shard.
    pub id: u64,
    /// The session's id, unique in the cluster.
    pub session: Arc<str>,
    /// Only the session reads from it.
    pub carrier: Carrier,
    /// How its envelopes are encoded.
    pub codec: Codec,
    /// What they are framed by.
    pub framing: Framing,
    /// What a stream of events has beside that.
    pub events: Option<Box<EventStream>>,
    /// What compressed messages to it may look back on, if they were agreed on.
    pub deflate: Option<DeflateWindow>,
    outbox: RefCell<Outbox>,
    /// Counts what waits in the outbox, as far as it is not written at once.
    footprint: Arc<TenantFootprint>,
    counted: Cell<usize>,
    /// The socket took no more: the session waits until it does.
    blocked: Cell<bool>,
    dirty: Cell<bool>,
    /// Nothing is queued any more: the closing frames are.
    closed: Cell<bool>,
    broken: Cell<bool>,
    /// Until when its last poll waits at most, or when that was answered; none before the first.
    pub polled_until: Cell<Option<Instant>>,
    /// Bytes that are held while histories are read.
    held: Cell<usize>,
    /// How many channels it is subscribed to.
    pub channels: Cell<u32>,
    /// Boxed, because most connections are rarely signaled.
    signals: RefCell<Option<Box<SessionSignals>>>,
    wake: Notify,
}

/// The shard's signals to a session.
#[derive(Debug, Default)]
pub struct SessionSignals {
    /// End, with this code and a time to come back after.
    pub close: Option<(CloseCode, Option<u64>)>,
    /// These subscriptions are over, with these codes: a message could not be queued for them, or the
    /// operator took them away. At most two a subscription.
    pub ended: Vec<(Channel, CloseCode)>,
    /// The session's alarm is due.
    pub alarm: bool,
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.count(0);
    }
}

impl ClientConnection {
    /// A connection whose outbox holds at most `outbox_bytes`, which count for its tenant.
    pub fn new(
        id: u64,
        session: Arc<str>,
        shape: ConnectionShape,
        outbox_bytes: usize,
        footprint: &Arc<TenantFootprint>,
    ) -> Rc<Self> {
        let ConnectionShape {
            carrier,
            codec,
            framing,
            events,
            deflate,
        } = shape;
        Rc::new(Self {
            id,
            session,
            carrier,
            codec,
            framing,
            events,
            deflate,
            outbox: RefCell::new(Outbox::new(outbox_bytes, framing)),
            footprint: footprint.clone(),
            counted: Cell::new(0),
            blocked: Cell::new(false),
            dirty: Cell::new(false),
            closed: Cell::new(false),
            broken: Cell::new(false),
            polled_until: Cell::new(None),
            held: Cell::new(0),
            channels: Cell::new(0),
            signals: RefCell::default(),
            wake: Notify::new(),
        })
    }

    /// Queues a reply or a push about the connection; to be flushed by the caller.
    pub fn push(&self, frame: Bytes) {
        if !self.closed.get() {
            self.open().push(frame);
        }
    }

    /// Queues a reply whose frame is in parts; to be flushed by the caller.
    pub fn push_parts(&self, parts: impl IntoIterator<Item = Bytes>) {
        if !self.closed.get() {
            self.open().push_parts(parts);
        }
    }

    /// The outbox, in which a stream of events has the head of its answer first.
    fn open(&self) -> RefMut<'_, Outbox> {
        let mut outbox = self.outbox.borrow_mut();
        if let Some(head) = self.events.as_ref().and_then(|events| events.take_head()) {
            outbox.push(head.accepted());
        }
        outbox
    }

    /// Begins a reply that is queued in parts: what is queued meanwhile comes after it.
    pub fn begin_reply(&self) {
        if !self.closed.get() {
            self.open().begin_reply();
        }
    }

    /// Queues a part of the reply that was begun; to be flushed by the caller.
    pub fn push_part(&self, texts: impl IntoIterator<Item = Bytes>, part: ReplyPart) {
        if !self.closed.get() {
            self.outbox
                .borrow_mut()
                .push_part(self.framing.part(self.codec, texts, part));
        }
    }

    /// The reply that was begun is whole.
    pub fn finish_reply(&self) {
        if !self.closed.get() {
            self.outbox.borrow_mut().finish_reply();
        }
    }

    /// Queues a message; the hub flushes.
    pub fn push_message(&self, frame: Bytes, policy: Policy) -> PushResult {
        if self.closed.get() {
            return PushResult::Dropped;
        }
        self.outbox.borrow_mut().push_message(frame, policy)
    }

    /// Queues the closing frames: nothing comes after them. `discard`: what waits before them is not worth
    /// waiting for.
    pub fn push_closing(&self, frames: impl IntoIterator<Item = Bytes>, discard: bool) {
        let mut outbox = self.open();
        if discard {
            outbox.clear();
        }
        let mut is_amid_reply = outbox.give_up_reply();
        if let Carrier::Polls(answers) = &self.carrier {
            answers.borrow_mut().give_up_rest();
            is_amid_reply = false;
        }
        for frame in frames {
            if !is_amid_reply || self.framing.is_control(&frame) {
                outbox.push(frame);
            }
        }
        self.closed.set(true);
    }

    /// Ends it for the client from this moment on: nothing more is queued, what waits is forgotten but for
    /// the frame that is half on the wire, and the session is signaled to send the closing frames.
    pub fn cut_off(&self, code: CloseCode, retry_after_ms: Option<u64>) {
        self.outbox.borrow_mut().clear();
        self.closed.set(true);
        // Whatever was signalled before: a user who is banned amid a drain is not told to come back.
        self.signals().close = Some((code, retry_after_ms));
        self.wake.notify_one();
    }

    /// Whether nothing is queued any more.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Forgets what waits for one subscription.
    pub fn discard(&self, subscription: u32) {
        self.outbox.borrow_mut().discard(subscription);
    }

    /// Whether nothing was queued since the last flush before this.
    pub fn mark_dirty(&self) -> bool {
        !self.dirty.replace(true)
    }

    /// Writes what the socket takes, and tells how many bytes left the outbox. What it does not take, the session writes
    /// when it does.
    pub fn flush(&self) -> usize {
        self.dirty.set(false);
        let mut outbox = self.outbox.borrow_mut();
        if let Some(events) = &self.events
            && let Some(mark) = events.take_mark()
            && !self.closed.get()
        {
            outbox.push(mark);
        }
        let before = outbox.bytes();
        match &self.carrier {
            Carrier::Polls(answers) => {
                if outbox.answer_poll(&mut answers.borrow_mut()) {
                    self.polled_until.set(Some(Instant::now()));
                }
            }
            Carrier::Stream(stream) if !self.blocked.get() => match outbox.write_to(stream) {
                Ok(Flushed::All) => {}
                Ok(Flushed::Blocked) => {
                    self.blocked.set(true);
                    self.wake.notify_one();
                }
                Err(_) => {
                    self.broken.set(true);
                    self.wake.notify_one();
                }
            },
            Carrier::Stream(_) => {}
        }
        let left = outbox.bytes();
        self.count(left + self.carrier.unsent());
        before - left
    }

    /// So many bytes wait now. Of a client that reads, none do after each write, and none are counted.
    fn count(&self, bytes: usize) {
        let before = self.counted.replace(bytes);
        if bytes != before {
            self.footprint.change(MemoryUse::Outboxes, before, bytes);
        }
    }

    /// Gives back the memory of an empty outbox: nothing is expected soon.
    pub fn rest(&self) {
        self.outbox.borrow_mut().rest();
    }

    /// The socket takes writes again.
    pub fn unblock(&self) {
        self.blocked.set(false);
        self.flush();
    }

    /// Whether the session has to wait for the socket.
    pub fn is_blocked(&self) -> bool {
        self.blocked.get()
    }

    /// Whether the socket failed.
    pub fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Whether the client has to read before it is served again.
    pub fn is_backed_up(&self) -> bool {
        self.outbox.borrow().is_backed_up()
    }

    /// Whether a reply is not whole yet, and its rest waits for room.
    pub fn is_amid_reply(&self) -> bool {
        self.outbox.borrow().is_amid_reply()
    }

    /// Bytes that wait and do not stand behind a reply that is not whole yet.
    pub fn next_bytes(&self) -> usize {
        self.outbox.borrow().next_bytes()
    }

    /// Bytes of a reply at most that is queued now.
    pub fn reply_room(&self) -> usize {
        self.outbox.borrow().reply_room()
    }

    /// In which form it gets what arrives in a channel.
    pub(super) fn form_in(&self, channel: &Channel) -> Form {
        match &self.events {
            Some(events) => events.form_in(channel),
            None => frame_form(self.codec),
        }
    }

    /// Which of the several channels of its stream of events this is.
    pub(super) fn place_of(&self, channel: &Channel) -> Option<u8> {
        self.events.as_ref()?.place_of(channel)
    }

    /// Its stream of events has a channel up to here. The session looks when the client is to be told.
    pub(super) fn note_position(&self, place: u8, position: &Position) {
        if let Some(events) = &self.events
            && events.note(place, position)
        {
            self.wake.notify_one();
        }
    }

    /// When its stream of events is to be marked.
    pub fn mark_due(&self) -> Option<Instant> {
        self.events.as_ref()?.due_at()
    }

    /// Counts bytes that are held until they are queued. Returns whether so many may be.
    pub fn hold(&self, bytes: usize) -> bool {
        let held = self.held.get() + bytes;
        let has_room = held <= self.outbox.borrow().limit();
        if has_room {
            self.held.set(held);
        }
        has_room
    }

    /// So many are held no longer.
    pub fn let_go(&self, bytes: usize) {
        self.held.update(|held| held - bytes);
    }

    /// Forgets what could not be written: the connection is over.
    pub fn abandon(&self) {
        self.outbox.replace(Outbox::new(0, self.framing));
        self.count(0);
    }

    pub fn waiting_bytes(&self) -> usize {
        self.outbox.borrow().bytes()
    }

    /// Signals the session to end. The first signal counts.
    pub fn signal_close(&self, code: CloseCode, retry_after_ms: Option<u64>) {
        self.signals().close.get_or_insert((code, retry_after_ms));
        self.wake.notify_one();
    }

    /// Signals the session to end a subscription.
    pub fn signal_end(&self, channel: Channel, code: CloseCode) {
        self.signals().ended.push((channel, code));
        self.wake.notify_one();
    }

    /// Signals the session to look at its clock.
    pub fn signal_alarm(&self) {
        self.signals().alarm = true;
        self.wake.notify_one();
    }

    /// Signals the session that its turn has come.
    pub fn signal_turn(&self) {
        self.wake.notify_one();
    }

    /// Waits for a signal. Signals that came before are not missed.
    pub async fn signaled(&self) {
        self.wake.notified().await;
    }

    /// Whether there is a signal that was not taken yet.
    pub fn has_signals(&self) -> bool {
        self.signals.borrow().is_some()
    }

    /// Takes the signals that came.
    pub fn take_signals(&self) -> SessionSignals {
        self.signals.take().map(|signals| *signals).unwrap_or_default()
    }

    fn signals(&self) -> RefMut<'_, SessionSignals> {
        RefMut::map(self.signals.borrow_mut(), |signals| {
            &mut **signals.get_or_insert_default()
        })
    }
}
