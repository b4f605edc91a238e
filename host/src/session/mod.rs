//! One connection from its first frame to its last: the only loop that waits on a client. Knows the
//! shard it lives on; carries out requests one after the other, each in a file of its own.

mod clock;
mod connect;
mod ending;
mod history;
mod opening;
mod presence;
mod publish;
mod rate;
mod refresh;
mod refusal;
mod seated;
mod subscribe;
mod subscription;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use tokio::io::Interest as Readiness;

pub use history::fitting;
pub use opening::Opening;

use crate::chain::{Caller, Handshake};
use crate::hub::Line;
use crate::protocol::names::Channel;
use crate::protocol::{self, Body, Refused, Request, RequestId, codes, write};
use crate::shard::{Listing, Shard, ShardTenant};
use crate::wall_clock::now_ms;
use crate::wire::{self, Decoder, Message, WireError};
use clock::Clock;
use ending::Ending;
use publish::UnderWay;
use rate::Rate;
use refusal::Refusal;
use seated::Seated;
use subscription::Subscription;

/// One connection.
pub struct Session {
    shard: Rc<Shard>,
    tenant: Rc<ShardTenant>,
    line: Rc<Line>,
    caller: Arc<Caller>,
    /// What the upgrade brought; the first connect and later refreshes show it to plugins.
    handshake: Arc<Handshake>,
    decoder: Decoder,
    clock: Clock,
    rate: Option<Rate>,
    /// None until `connect` was accepted.
    seat: Option<Seated>,
    /// Boxed, because the smallest table has room for four.
    subscriptions: HashMap<Channel, Box<Subscription>, RandomState>,
    /// Publishes that are not answered yet, in their order.
    under_way: VecDeque<UnderWay>,
    /// Tells subscriptions apart in the outbox; never reused within a connection.
    next_subscription: u32,
    _listing: Listing,
}

/// What a read brought, in its order.
enum Incoming {
    Text(Bytes),
    Ends(Ending),
}

// === impl Session ===

impl Session {
    /// Serves a connection until it is over. `early`: bytes that came with the upgrade request.
    ///
    /// In a box, because a task keeps room for an argument beside the variable that it becomes.
    pub async fn serve(mut self: Box<Self>, early: Bytes) {
        let ending = self.run(early).await;
        self.end(ending).await;
    }

    async fn run(&mut self, early: Bytes) -> Ending {
        self.set_alarm();
        let incoming = self.decode(&mut early.to_vec());
        // It holds the whole buffer of the HTTP connection.
        drop(early);
        if let Some(ending) = self.carry_out(incoming).await {
            return ending;
        }
        loop {
            if let Some(ending) = self.answer_calls() {
                return ending;
            }
            self.flush();
            if self.line.is_broken() {
                return Ending::Gone;
            }
            // Deliveries pass the session by, so what it waits for now may be long in coming.
            self.line.rest();
            // A client that does not read its replies is not read from either.
            let readiness = match (self.line.is_blocked(), self.line.is_backed_up()) {
                (false, _) => Readiness::READABLE,
                (true, false) => Readiness::READABLE | Readiness::WRITABLE,
                (true, true) => Readiness::WRITABLE,
            };
            let ready = tokio::select! {
                biased;
                () = self.line.called() => continue,
                ready = self.line.stream.ready(readiness) => ready,
            };
            match ready {
                Err(_) => return Ending::Gone,
                Ok(ready) => {
                    if ready.is_writable() && self.line.is_blocked() {
                        self.line.unblock();
                    }
                    if (ready.is_readable() || ready.is_read_closed()) && readiness.is_readable() {
                        let incoming = self.read();
                        if let Some(ending) = self.carry_out(incoming).await {
                            return ending;
                        }
                    }
                }
            }
        }
    }

    /// Reads what is there into the shard's buffer. No wait while the buffer is held.
    fn read(&mut self) -> Vec<Incoming> {
        let shard = self.shard.clone();
        let mut buffer = shard.read_buffer.borrow_mut();
        match self.line.stream.try_read(&mut buffer) {
            Ok(0) => vec![Incoming::Ends(Ending::Gone)],
            Ok(count) => self.decode(&mut buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Vec::new(),
            Err(_) => vec![Incoming::Ends(Ending::Gone)],
        }
    }

    fn decode(&mut self, bytes: &mut [u8]) -> Vec<Incoming> {
        let mut incoming = Vec::new();
        if bytes.is_empty() {
            return incoming;
        }
        self.clock.heard();
        let mut messages = self.decoder.feed(bytes);
        loop {
            match messages.next() {
                Ok(None) => return incoming,
                Ok(Some(Message::Text(text))) => {
                    incoming.push(Incoming::Text(Bytes::copy_from_slice(text.as_bytes())));
                }
                Ok(Some(Message::Ping(payload))) => self.line.push(wire::pong_frame(payload)),
                Ok(Some(Message::Pong(_))) => {}
                Ok(Some(Message::Binary(_))) => {
                    let why = "binary frames mean nothing in a text protocol".into();
                    incoming.push(Incoming::Ends(Ending::bad_protocol(why)));
                    return incoming;
                }
                Ok(Some(Message::Close { code, .. })) => {
                    incoming.push(Incoming::Ends(Ending::Client(code)));
                    return incoming;
                }
                Err(error) => {
                    incoming.push(Incoming::Ends(Ending::Wire(error)));
                    return incoming;
                }
            }
        }
    }

    async fn carry_out(&mut self, incoming: Vec<Incoming>) -> Option<Ending> {
        for one in incoming {
            // Whoever was sent away is not served what it had asked before.
            if self.line.has_calls()
                && let Some(ending) = self.answer_calls()
            {
                return Some(ending);
            }
            match one {
                Incoming::Ends(ending) => {
                    Box::pin(self.settle()).await;
                    return Some(ending);
                }
                Incoming::Text(text) => {
                    // Boxed, so that a connection at rest does not hold the room of its largest request.
                    if let Some(ending) = Box::pin(self.request(text)).await {
                        return Some(ending);
                    }
                }
            }
            if self.line.is_backed_up()
                && let Some(ending) = Box::pin(self.wait_for_reader()).await
            {
                return Some(ending);
            }
        }
        if !self.under_way.is_empty() {
            Box::pin(self.settle()).await;
        }
        None
    }

    /// Waits until a client reads what it asked for before it is given more.
    async fn wait_for_reader(&mut self) -> Option<Ending> {
        loop {
            self.flush();
            if self.line.is_broken() {
                return Some(Ending::Gone);
            }
            if !self.line.is_backed_up() {
                return None;
            }
            tokio::select! {
                biased;
                () = self.line.called() => {
                    if let Some(ending) = self.answer_calls() {
                        return Some(ending);
                    }
                }
                ready = self.line.stream.writable() => match ready {
                    Ok(()) => self.line.unblock(),
                    Err(_) => return Some(Ending::Gone),
                },
            }
        }
    }

    async fn request(&mut self, text: Bytes) -> Option<Ending> {
        let request = protocol::read(&text);
        // Only a publish does not wait for the publishes before it.
        if !matches!(&request, Ok(request) if matches!(request.body, Body::Publish(_))) {
            self.settle().await;
        }
        let Request { id, body } = match request {
            Ok(request) => request,
            Err(Refused::NotAnEnvelope(why)) => return Some(Ending::bad_protocol(why)),
            Err(Refused::Request { id, code, message }) => {
                self.send(&write::error(&id, now_ms(), &write::ErrorReply::new(code, &message)));
                // What comes first has to be a `connect` that can be read.
                return self.seat.is_none().then(|| Ending::bad_protocol(message));
            }
        };
        let done = match (self.seat.is_some(), body) {
            (false, Body::Connect(connect)) => return self.connect(&id, *connect).await,
            (false, _) => return Some(Ending::bad_protocol("the first message must be connect".into())),
            (true, Body::Connect(_)) => Err(Refusal::new(codes::BAD_REQUEST, "this connection is connected")),
            (true, Body::Publish(publish)) => self.publish(&id, publish).await,
            (true, Body::Subscribe(subscribe)) => self.subscribe(&id, &subscribe).await,
            (true, Body::Unsubscribe(channel)) => self.unsubscribe(&id, &channel),
            (true, Body::Presence(channel)) => self.presence(&id, &channel).await,
            (true, Body::History(history)) => self.history(&id, history).await,
            (true, Body::Refresh(token)) => self.refresh(&id, token),
            (true, Body::Ping) => {
                self.send(&write::pong(&id, now_ms()));
                Ok(())
            }
        };
        match done {
            Ok(()) => None,
            Err(refusal) => {
                self.settle().await;
                self.refuse(&id, &refusal)
            }
        }
    }

    /// Says no, and ends the connection if the refusal says so too.
    fn refuse(&self, id: &RequestId, refusal: &Refusal) -> Option<Ending> {
        self.send(&write::error(id, now_ms(), &refusal.reply()));
        self.penalise(refusal)
    }

    fn unsubscribe(&mut self, id: &RequestId, channel: &Channel) -> Result<(), Refusal> {
        if self.subscriptions.remove(channel).is_none() {
            return Err(Refusal::not_subscribed());
        }
        self.send(&write::unsubscribed_ack(id, now_ms(), channel.as_str()));
        Ok(())
    }

    /// What the shard called: an end, subscriptions that are over, the clock.
    fn answer_calls(&mut self) -> Option<Ending> {
        let calls = self.line.take_calls();
        if let Some((code, retry_after_ms)) = calls.close {
            return Some(Ending::Close { code, retry_after_ms });
        }
        for (channel, code) in calls.ended {
            self.end_subscription(&channel, code);
        }
        if calls.alarm {
            return self.tick();
        }
        None
    }

    fn end_subscription(&mut self, channel: &Channel, code: codes::CloseCode) {
        if self.subscriptions.remove(channel).is_some() {
            self.send(&write::unsubscribed(now_ms(), channel.as_str(), code));
        }
    }

    /// Queues an envelope; it leaves with the next flush.
    fn send(&self, json: &[u8]) {
        self.line.push(wire::text_frame(json));
    }

    fn flush(&self) {
        self.line.flush();
        self.clock.meter_outbox(&self.line, &self.shard.common.metrics);
    }
}

impl From<WireError> for Ending {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}
