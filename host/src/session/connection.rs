//! The loop of one connection: the only one that waits for a client. Owns its stream and its timers, and carries out
//! requests in their order, when it is its turn. Of all requests it treats only publishes differently: several may be
//! pending.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{self, Poll};

use bytes::Bytes;
use tokio::io::Interest as Readiness;
use tokio::time::Instant;

use super::backlog::{Backlog, Incoming};
use super::commands;
use super::context::Context;
use super::counted_task::CountedTask;
use super::ending::Ending;
use super::input::ClientInput;
use super::liveness::{Expected, Liveness};
use super::outcome::{CommandReply, CommandResult, Outcome};
use super::pending::PendingRequests;
use crate::framing::Framing;
use crate::hub::push_reply;
use crate::shard::Listing;
use protocol::codes::{self, CloseCode};
use protocol::names::Channel;
use protocol::{Body, Encoded, Refused, Request, RequestId, write};
use wall_clock::now_ms;

pub struct Session {
    pub(super) context: Rc<Context>,
    pub(super) input: ClientInput,
    pub(super) liveness: Liveness,
    /// The alarm that is set.
    pub(super) alarm: Option<Instant>,
    pub(super) backlog: Backlog,
    pub(super) pending: PendingRequests,
    /// Subscriptions that the shard ended while a request was pending. The client is told after the reply.
    ended: Vec<(Channel, CloseCode)>,
    _listing: Listing,
}

// === impl Session ===

impl Session {
    pub(super) fn new(context: Rc<Context>, input: ClientInput, backlog: Backlog) -> Box<Self> {
        let common = &context.shard.common;
        let listing = context.shard.list(&context.client, &context.caller);
        let expected = match (&input, context.client.framing) {
            (ClientInput::Messages(_), _) => Expected::Answers,
            (ClientInput::Posts(_), Framing::Bare) => Expected::Polls(common.poll_timeout),
            (ClientInput::Posts(_), _) => Expected::Reads,
        };
        Box::new(Self {
            input,
            liveness: Liveness::new(expected, common.ping, common.connect_timeout),
            alarm: None,
            backlog,
            pending: PendingRequests::default(),
            ended: Vec::new(),
            _listing: listing,
            context,
        })
    }

    /// Serves a connection until it is over, and counts the time that it takes. `early`: bytes that came with the upgrade
    /// request.
    pub fn serve(self: Box<Self>, early: Bytes) -> impl Future<Output = ()> {
        CountedTask::new(self.context.clone(), self.serve_to_end(early))
    }

    /// Boxed, because the future of an async function would hold a large argument twice.
    async fn serve_to_end(mut self: Box<Self>, early: Bytes) {
        let ending = self.run(early).await;
        self.end(ending).await;
    }

    async fn run(&mut self, early: Bytes) -> Ending {
        self.set_alarm();
        self.decode(&mut early.to_vec());
        // It holds the whole buffer of the HTTP connection.
        drop(early);
        loop {
            let ending = poll_fn(|cx| Poll::Ready(self.advance(cx))).await;
            if let Some(ending) = ending {
                return ending;
            }
            self.flush();
            if self.context.client.is_broken() {
                return Ending::Gone;
            }
            if (self.may_begin() || self.may_decode_rest()) && !self.context.is_waiting_for_turn() {
                // The client reads its replies again, so its requests are served again.
                continue;
            }
            if let Some(ending) = self.wait().await {
                return ending;
            }
        }
    }

    /// Waits for the client, the shard (which gives turns too), or a pending request.
    async fn wait(&mut self) -> Option<Ending> {
        self.rest();
        let readiness = self.readiness();
        let client = &self.context.client;
        let takes_posts = self.backlog.is_empty() || client.framing == Framing::Bare;
        let ready = tokio::select! {
            biased;
            () = client.signaled() => return None,
            () = self.pending.first_is_done() => return None,
            posted = poll_fn(|cx| self.input.poll_post(cx)), if takes_posts => {
                self.take_post(posted);
                return None;
            }
            ready = client.carrier.ready(readiness.unwrap_or(Readiness::READABLE)), if readiness.is_some() => ready,
        };
        let (Ok(ready), Some(readiness)) = (ready, readiness) else {
            return Some(Ending::Gone);
        };
        if ready.is_writable() && client.is_blocked() {
            let before = client.waiting_bytes();
            client.unblock();
            self.liveness.wrote(before, client.waiting_bytes());
        }
        let has_bytes = ready.is_readable() || ready.is_read_closed();
        if has_bytes && readiness.is_readable() && self.context.may_run() {
            self.read();
        }
        None
    }

    /// Deliveries do not wake the session, so this wait may be long. It therefore holds no spare memory.
    fn rest(&mut self) {
        self.context.client.rest();
        self.pending.rest();
        if self.backlog.is_empty() {
            self.backlog.rest();
            self.context.share.rest();
        }
    }

    /// Whether to wait for reading, writing or both. Nothing is read from a client that does not read its replies, or
    /// whose requests are waiting already, or are to wait for their turn.
    pub(super) fn readiness(&self) -> Option<Readiness> {
        let client = &self.context.client;
        let is_idle = self.backlog.is_empty() && !self.input.has_unread() && !self.context.is_waiting_for_turn();
        let reads = is_idle && !client.is_backed_up() && self.pending.has_room();
        match (reads, client.is_blocked()) {
            (true, true) => Some(Readiness::READABLE | Readiness::WRITABLE),
            (true, false) => Some(Readiness::READABLE),
            (false, true) => Some(Readiness::WRITABLE),
            (false, false) => None,
        }
    }

    // --- reading ---

    /// Reads the available bytes into the shard's buffer. Nothing waits while the buffer is borrowed.
    fn read(&mut self) {
        let shard = self.context.shard.clone();
        let mut buffer = shard.read_buffer.borrow_mut();
        match self.context.client.carrier.try_read(&mut buffer) {
            Ok(0) => self.backlog.end(Ending::Gone),
            Ok(count) => self.decode(&mut buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.backlog.end(Ending::Gone),
        }
    }

    fn decode(&mut self, bytes: &mut [u8]) {
        if bytes.is_empty() {
            return;
        }
        self.liveness.heard();
        self.decode_more(bytes);
    }

    fn decode_more(&mut self, bytes: &mut [u8]) {
        match &mut self.input {
            ClientInput::Messages(decoder) => {
                let mut inflater = self.context.shard.inflater.borrow_mut();
                let had_whole = self.backlog.decode(decoder, bytes, &mut inflater, &self.context.client);
                self.liveness.decoded(decoder.unfinished().is_some(), had_whole);
            }
            ClientInput::Posts(posts) => {
                if posts.ignore(bytes.len()) {
                    self.backlog.end_now(Ending::Gone);
                }
            }
        }
    }

    /// Whether more of what was read is to be decoded: under the same conditions as more is read.
    fn may_decode_rest(&self) -> bool {
        self.backlog.is_empty()
            && self.input.has_unread()
            && !self.context.client.is_backed_up()
            && self.pending.has_room()
    }

    // --- carrying out ---

    /// Does everything that needs no wait: signals, finished replies, requests that may begin.
    fn advance(&mut self, cx: &mut task::Context<'_>) -> Option<Ending> {
        loop {
            // A client that was disconnected gets no replies to earlier requests.
            if let Some(ending) = self.answer_signals() {
                return Some(ending);
            }
            if let Poll::Ready((id, answer)) = self.pending.poll_answer(cx) {
                // Nothing was read from the client meanwhile, so its silence does not count.
                self.liveness.not_read();
                if let Some(ending) = self.answer(&id, answer) {
                    return Some(ending);
                }
                continue;
            }
            if self.may_decode_rest() && self.context.may_run() {
                self.decode_more(&mut []);
                continue;
            }
            if !self.may_begin() || !self.has_turn() {
                return None;
            }
            match self.backlog.take_first()? {
                Incoming::Ends(ending) => return Some(ending),
                Incoming::Request(request) => {
                    if let Some(ending) = self.begin(request) {
                        return Some(ending);
                    }
                }
            }
        }
    }

    /// Whether the next request may begin: after all before it, except that a publish may begin beside publishes.
    fn may_begin(&mut self) -> bool {
        match self.backlog.first() {
            None => false,
            Some(Incoming::Ends(_)) => self.pending.is_empty(),
            Some(next) => {
                // The backplane accepts publishes in the order of the calls.
                let beside = next.is_publish() && self.pending.has_room();
                !self.context.client.is_backed_up() && (self.pending.is_empty() || beside)
            }
        }
    }

    /// Whether the first of the backlog may be carried out now. The end of a connection waits for no turn.
    fn has_turn(&mut self) -> bool {
        matches!(self.backlog.first(), Some(Incoming::Ends(_))) || self.context.may_run()
    }

    fn begin(&mut self, request: Result<Request, Refused>) -> Option<Ending> {
        let is_connected = self.context.is_connected();
        let Request { id, body } = match request {
            Ok(request) => request,
            Err(Refused::NotAnEnvelope(why)) => return Some(Ending::BadProtocol(why)),
            Err(Refused::Request { id, code, message }) => {
                let reply = match self.context.take_request() {
                    Err(refusal) if is_connected => write::error(&id, now_ms(), &refusal.reply()),
                    _ => write::error(&id, now_ms(), &write::ErrorReply::new(code, &message)),
                };
                self.send(reply);
                // The first request has to be a readable `connect`.
                return (!is_connected).then_some(Ending::BadProtocol(message));
            }
        };
        if !is_connected && !matches!(body, Body::Connect(_)) {
            return Some(Ending::BadProtocol("the first message must be connect".into()));
        }
        if self.refuse_for_room(&id) {
            return None;
        }
        let is_publish = matches!(body, Body::Publish(_));
        if let Body::Connect(_) = body {
            self.liveness.connected();
        }
        let outcome = commands::apply(id.clone(), body, &self.context);
        match outcome {
            Outcome::Done(answer) if self.pending.is_empty() => self.answer(&id, answer),
            outcome => {
                // A refusal may end the connection, so no request begins beside it; nor beside what could be overtaken.
                let is_alone = matches!(outcome, Outcome::Done(Err(_)) | Outcome::Unasked(_));
                self.pending.push(id, outcome, is_publish && !is_alone);
                None
            }
        }
    }

    /// Sends a command's reply, and carries out its consequences.
    fn answer(&mut self, id: &RequestId, answer: CommandResult) -> Option<Ending> {
        let ending = match answer {
            Ok(CommandReply {
                envelope,
                releases,
                ending,
            }) => {
                if self.begins_events() {
                    self.begin_events(envelope, &releases);
                } else if !envelope.is_empty() {
                    // Else it was sent in parts already.
                    self.send(envelope);
                }
                if !releases.is_empty() {
                    let mut hub = self.context.shard.hub.borrow_mut();
                    for release in releases {
                        hub.release(&release.topic, self.context.client.id, release.after, release.snapshot);
                    }
                }
                ending
            }
            Err(refusal) if self.begins_events() => Some(self.refuse_events(id, &refusal)),
            Err(refusal) => {
                self.send(write::error(id, now_ms(), &refusal.reply()));
                let penalty = self.context.penalise(&refusal);
                if self.context.is_connected() {
                    penalty
                } else {
                    let code = codes::close_after_refused_connect(refusal.code);
                    let retry_after_ms = refusal.retry_after_ms.filter(|_| code.reconnect);
                    Some(penalty.unwrap_or(Ending::Close { code, retry_after_ms }))
                }
            }
        };
        if self.context.take_deadlines_changed() {
            self.set_alarm();
        }
        ending
    }

    /// Handles the shard's signals: an end, ended subscriptions, an alarm.
    fn answer_signals(&mut self) -> Option<Ending> {
        if self.context.client.has_signals() {
            let signals = self.context.client.take_signals();
            self.ended.extend(signals.ended);
            if let Some((code, retry_after_ms)) = signals.close {
                self.backlog.end_now(Ending::Close { code, retry_after_ms });
            } else if signals.alarm
                && let Some(code) = self.tick()
            {
                self.backlog.end_now(Ending::close(code));
            }
        }
        self.set_earlier_alarm();
        // A connection that was cut off gets no further replies.
        if self.context.client.is_closed()
            && let Some(ending) = self.backlog.take_ending()
        {
            return Some(ending);
        }
        if self.pending.has_room() && !self.ended.is_empty() {
            for (channel, code) in std::mem::take(&mut self.ended) {
                self.end_subscription(&channel, code);
            }
        }
        None
    }

    pub(super) fn end_subscription(&mut self, channel: &Channel, code: CloseCode) {
        if self.context.remove_subscription(channel) {
            let client = &self.context.client;
            let push = write::unsubscribed(client.codec, now_ms(), channel.as_str(), code);
            client.push(client.framing.push(client.codec, &push));
        }
    }

    /// Queues a reply; it leaves with the next flush.
    pub(super) fn send(&mut self, reply: Encoded) {
        let reply = match self.input.posts() {
            Some(posts) => posts.add(reply),
            None => Some(reply),
        };
        if let Some(reply) = reply {
            push_reply(&self.context.client, reply);
        }
    }

    fn flush(&mut self) {
        self.context.client.flush();
        self.liveness.flushed(self.context.client.waiting_bytes());
    }
}
