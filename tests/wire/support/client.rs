//! A client that reads like a sentence: `ann.subscribe("room:1").await.publish("hi").await`.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::PATIENCE;
use super::envelope::Envelope;
use super::http::Response;
use super::lines::tail;
use super::message_pack;
use super::socket::{Frame, Socket, opcode};

/// One connection to the broker. Every wait ends: with the expected message, or with a panic that shows what came.
pub(crate) struct Client {
    name: String,
    socket: Socket,
    /// Pushes that came while something else was awaited.
    waiting: VecDeque<Envelope>,
    /// What came of a message in fragments.
    fragments: Option<Vec<u8>>,
    /// Its envelopes are in MessagePack.
    is_packed: bool,
    /// What came so far, for failures.
    heard: Vec<String>,
    next_id: u64,
    channel: String,
    answers_pings: bool,
    patience: Duration,
    close: Option<Frame>,
    /// The upgrade's response.
    pub handshake: Response,
    /// The ack of `connect`.
    pub welcome: Value,
}

impl Client {
    /// A client on an upgraded socket.
    pub(crate) fn new(name: &str, socket: Socket, handshake: Response) -> Self {
        Self {
            name: name.to_owned(),
            socket,
            waiting: VecDeque::new(),
            fragments: None,
            is_packed: handshake.header("sec-websocket-protocol") == Some("sluicegate.v1.msgpack"),
            heard: Vec::new(),
            next_id: 1,
            channel: String::new(),
            answers_pings: true,
            patience: PATIENCE,
            close: None,
            handshake,
            welcome: Value::Null,
        }
    }

    /// The session's id.
    pub(crate) fn session(&self) -> &str {
        self.welcome["session"].as_str().expect("connect was acknowledged")
    }

    /// From now on no ping is answered.
    pub(crate) fn ignore_pings(&mut self) -> &mut Self {
        self.answers_pings = false;
        self
    }

    /// From now on each wait may take this long.
    pub(crate) fn patience(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    // === sending ===

    /// Sends a text message as it is.
    pub(crate) async fn send_text(&mut self, text: impl Into<String>) -> &mut Self {
        self.send_frame(&Frame::text(text)).await
    }

    /// Sends a frame, properly masked.
    pub(crate) async fn send_frame(&mut self, frame: &Frame) -> &mut Self {
        self.socket.send(frame).await;
        self
    }

    /// Sends bytes that may be no frame at all.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.socket.send_bytes(bytes).await;
        self
    }

    /// Sends a request and gives its id; the reply is read later.
    pub(crate) async fn send(&mut self, kind: &str, payload: Value) -> Value {
        let (id, text) = self.request(kind, &payload);
        let frame = if self.is_packed {
            message_pack::frame(&text)
        } else {
            Frame::text(text)
        };
        self.send_frame(&frame).await;
        id
    }

    /// A request's id and text, unsent.
    pub(crate) fn request(&mut self, kind: &str, payload: &Value) -> (Value, String) {
        let id = json!(self.next_id);
        self.next_id += 1;
        let text = json!({ "type": kind, "id": id, "payload": payload }).to_string();
        (id, text)
    }

    // === asking ===

    /// The reply to request `id`: an ack or an error.
    pub(crate) async fn reply(&mut self, id: &Value) -> Envelope {
        self.take(&format!("the reply to {id}"), |envelope| envelope.answers(id))
            .await
    }

    /// Sends a request that is granted: the ack's payload.
    pub(crate) async fn ask(&mut self, kind: &str, payload: Value) -> Value {
        let id = self.send(kind, payload.clone()).await;
        self.acked(&id).await
    }

    /// The ack's payload of request `id`.
    pub(crate) async fn acked(&mut self, id: &Value) -> Value {
        let reply = self.reply(id).await;
        assert_eq!(
            reply.kind(),
            "ack",
            "{}: request {id} was refused: {}",
            self.name,
            reply.text
        );
        reply["payload"].clone()
    }

    /// Sends a request that is refused with this code: the error's payload.
    pub(crate) async fn fails(&mut self, kind: &str, payload: Value, code: u16) -> Value {
        let id = self.send(kind, payload).await;
        self.refused(&id, code).await
    }

    /// The error's payload of request `id`.
    pub(crate) async fn refused(&mut self, id: &Value, code: u16) -> Value {
        let reply = self.reply(id).await;
        let is_error = reply.kind() == "error" && reply["payload"]["code"] == code;
        assert!(is_error, "{}: expected error {code}, got {}", self.name, reply.text);
        reply["payload"].clone()
    }

    // === the sentences ===

    /// Subscribes; later publishes go there.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> &mut Self {
        self.subscribe_with(json!({ "channel": channel })).await;
        self.to(channel)
    }

    /// Subscribes with this payload: the ack's payload.
    pub(crate) async fn subscribe_with(&mut self, payload: Value) -> Value {
        let ack = self.ask("subscribe", payload.clone()).await;
        assert_eq!(ack["channel"], payload["channel"]);
        ack
    }

    /// Leaves a channel.
    pub(crate) async fn unsubscribe(&mut self, channel: &str) -> &mut Self {
        self.ask("unsubscribe", json!({ "channel": channel })).await;
        self
    }

    /// Later publishes go to this channel.
    pub(crate) fn to(&mut self, channel: &str) -> &mut Self {
        channel.clone_into(&mut self.channel);
        self
    }

    /// Publishes to the channel named last.
    pub(crate) async fn publish(&mut self, data: impl Into<Value>) -> &mut Self {
        let payload = json!({ "channel": self.channel, "data": data.into() });
        self.publish_with(payload).await;
        self
    }

    /// Publishes with this payload: the ack's payload.
    pub(crate) async fn publish_with(&mut self, payload: Value) -> Value {
        let ack = self.ask("publish", payload.clone()).await;
        assert_eq!(ack["channel"], payload["channel"]);
        assert!(
            ack["message"].is_string(),
            "an ack of publish has the message's id: {ack}"
        );
        ack
    }

    /// The next message is this one.
    pub(crate) async fn expect_message(&mut self, data: impl Into<Value>) -> Envelope {
        let message = self.message().await;
        assert_eq!(message["payload"], data.into(), "{}: {}", self.name, message.text);
        message
    }

    /// The next messages are these.
    pub(crate) async fn expect_messages<V: Into<Value>>(&mut self, data: impl IntoIterator<Item = V>) -> &mut Self {
        for data in data {
            self.expect_message(data).await;
        }
        self
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Envelope {
        let message = self.push("message").await;
        assert!(
            message["id"].is_string() && message["channel"].is_string(),
            "{}",
            message.text
        );
        message
    }

    /// The next push of this type; others wait.
    pub(crate) async fn push(&mut self, kind: &str) -> Envelope {
        self.take(kind, |envelope| envelope.kind() == kind).await
    }

    /// Whether a push of this type came already and nobody asked for it.
    pub(crate) fn has_waiting(&self, kind: &str) -> bool {
        self.waiting.iter().any(|envelope| envelope.kind() == kind)
    }

    /// All is well: a ping is answered.
    pub(crate) async fn still_works(&mut self) -> &mut Self {
        self.ask("ping", json!({})).await;
        self
    }

    // === the end ===

    /// The close frame's code, after whatever comes before it. None: the stream ended without one.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let deadline = self.deadline();
        while self.close.is_none() {
            match self.frame_by(deadline).await {
                Some(frame) => self.hear(frame).await,
                None => return None,
            }
        }
        self.close.as_ref().and_then(Frame::close_code)
    }

    /// The connection ends with this close code.
    pub(crate) async fn expect_close(&mut self, code: u16) -> &mut Self {
        let closed = self.closed().await;
        assert_eq!(
            closed,
            Some(code),
            "{}: close code; heard:\n{}",
            self.name,
            tail(&self.heard)
        );
        if let Some(notice) = self.waiting.iter().find(|envelope| envelope.kind() == "disconnect") {
            assert_eq!(notice["payload"]["code"], code, "{}: {}", self.name, notice.text);
        }
        self
    }

    /// The connection ends with a `disconnect` push, then a close frame with the same code, then the stream.
    pub(crate) async fn expect_disconnect(&mut self, code: u16, reason: &str, reconnect: bool) -> Value {
        let notice = self.push("disconnect").await["payload"].clone();
        assert_eq!(notice["code"], code, "{}: {notice}", self.name);
        assert_eq!(notice["reason"], reason, "{}: {notice}", self.name);
        assert_eq!(notice["reconnect"], reconnect, "{}: {notice}", self.name);
        let next = self.frame().await;
        let closes = next.as_ref().and_then(Frame::close_code) == Some(code);
        assert!(closes, "{}: after disconnect came {next:?}", self.name);
        self.close = next;
        notice
    }

    /// The stream ends, with or without a close frame.
    pub(crate) async fn expect_end(&mut self) {
        let deadline = self.deadline();
        while let Some(frame) = self.frame_by(deadline).await {
            self.hear(frame).await;
        }
    }

    /// Says goodbye as the protocol wants it, and waits for the echo.
    pub(crate) async fn close(mut self) {
        self.send_frame(&Frame::close(1000, "")).await;
        assert_eq!(self.closed().await, Some(1000), "the close is echoed");
        self.expect_end().await;
    }

    /// Ends the sending half of the stream: the server reads its end.
    pub(crate) async fn finish_sending(&mut self) {
        self.socket.finish_sending().await.ok();
    }

    /// Disconnects without a close frame.
    pub(crate) fn vanish(self) {
        drop(self);
    }

    /// Goes away with a TCP reset.
    pub(crate) fn reset(self) {
        self.socket.reset();
    }

    // === reading ===

    /// Takes so many bytes more from the stream, and looks at none of them yet.
    pub(crate) async fn read_ahead(&mut self, bytes: usize) {
        self.socket.read_ahead(bytes).await;
    }

    /// The next frame as it is; none at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        self.frame_by(self.deadline()).await
    }

    async fn frame_by(&mut self, deadline: Instant) -> Option<Frame> {
        let next = timeout_at(deadline, self.socket.next()).await;
        next.unwrap_or_else(|late| panic!("{}: {late}; heard:\n{}", self.name, tail(&self.heard)))
    }

    /// The next envelope that fits; others wait.
    pub(crate) async fn take(&mut self, what: &str, fits: impl Fn(&Envelope) -> bool) -> Envelope {
        let mut seen = 0;
        let deadline = self.deadline();
        loop {
            if let Some(at) = self.waiting.iter().skip(seen).position(&fits) {
                return self.waiting.remove(seen + at).expect("just found");
            }
            seen = self.waiting.len();
            assert!(
                self.close.is_none(),
                "{}: closed before {what}:\n{}",
                self.name,
                tail(&self.heard)
            );
            match timeout_at(deadline, self.socket.next()).await {
                Ok(Some(frame)) => self.hear(frame).await,
                Ok(None) => panic!("{}: the stream ended before {what}:\n{}", self.name, tail(&self.heard)),
                Err(late) => panic!(
                    "{}: {late}: waited for {what}, heard:\n{}",
                    self.name,
                    tail(&self.heard)
                ),
            }
        }
    }

    async fn hear(&mut self, frame: Frame) {
        assert_eq!(frame.reserved, 0, "{}: reserved bits: {frame:?}", self.name);
        match frame.opcode {
            opcode::TEXT | opcode::BINARY | opcode::CONTINUATION => {
                let goes_on = frame.opcode == opcode::CONTINUATION;
                assert!(
                    goes_on || self.is_packed == (frame.opcode == opcode::BINARY),
                    "{frame:?}"
                );
                assert_eq!(goes_on, self.fragments.is_some(), "{}: {frame:?} amid what?", self.name);
                let mut bytes = self.fragments.take().unwrap_or_default();
                bytes.extend(frame.payload);
                if !frame.fin {
                    self.fragments = Some(bytes);
                    return;
                }
                let text = message_pack::text(bytes, self.is_packed);
                self.heard.push(text.clone());
                self.waiting.push_back(Envelope::read(text));
            }
            opcode::PING => {
                self.heard.push("(ping)".into());
                if self.answers_pings {
                    self.send_frame(&Frame::new(opcode::PONG, frame.payload)).await;
                }
            }
            opcode::PONG => self.heard.push("(pong)".into()),
            opcode::CLOSE => {
                self.heard.push(format!("(close {:?})", frame.close_code()));
                self.close = Some(frame);
            }
            _ => panic!("{}: an unexpected frame: {frame:?}", self.name),
        }
    }
}
