//! Replies and pushes to either codec: a reply to that of its request. Each function gives a whole envelope, to be framed and sent as it is; `ts`
//! is the time that it carries, in milliseconds since the Unix epoch.

use super::codec::Codec;
use super::codes::{CloseCode, ErrorCode};
use super::content::Content;
use super::encoded::Encoded;
use super::member::Member;
use super::object::Object;
use super::request::{Position, RequestId};
use super::{FEATURES, VERSION};

/// A message as receivers see it.
#[derive(Clone, Copy, Debug)]
pub struct MessagePush<'a> {
    /// The same for every receiver.
    pub id: &'a str,
    /// When it was published.
    pub ts: u64,
    pub channel: &'a str,
    /// What the data is …
    pub content: Content,
    /// … and the data.
    pub data: &'a [u8],
    /// Where it stands in the channel's history, if there is one.
    pub position: Option<&'a Position>,
    pub from: Option<&'a Member>,
    pub tags: &'a [(String, String)],
}

/// What an `error` reply says.
#[derive(Clone, Copy, Debug)]
pub struct ErrorReply<'a> {
    pub code: u16,
    pub reason: &'a str,
    pub message: &'a str,
    /// Whether to try again.
    pub retry: bool,
    pub retry_after_ms: Option<u64>,
    pub plugin: Option<&'a str>,
}

impl<'a> ErrorReply<'a> {
    /// An error of the protocol's own table.
    pub fn new(code: ErrorCode, message: &'a str) -> Self {
        Self {
            code: code.number,
            reason: code.reason,
            message,
            retry: code.retry,
            retry_after_ms: None,
            plugin: None,
        }
    }

    fn write(&self, object: &mut Object<'_>) {
        object.number("code", self.code.into());
        object.text("reason", self.reason);
        object.text("message", self.message);
        object.flag("retry", self.retry);
        object.number_if("retry_after_ms", self.retry_after_ms);
        object.text_if("plugin", self.plugin);
    }
}

/// The ack of `connect`.
#[derive(Clone, Debug)]
pub struct Welcome<'a> {
    pub session: &'a str,
    pub node: &'a str,
    /// Who the client is.
    pub user: Option<&'a str>,
    pub ping_ms: u64,
    /// When the session ends unless it is refreshed.
    pub expires_at: Option<u64>,
    /// Bytes of an envelope at most.
    pub message_bytes: u64,
    /// Channels of this connection at most.
    pub channels: u64,
    /// Publishes a second, if limited.
    pub publish_per_second: Option<u64>,
    /// By which requests beside a stream of events name the session.
    pub session_key: Option<&'a str>,
    /// After how long without a poll the session is over, if it is one of polls.
    pub disconnect_after_ms: Option<u64>,
    /// One for each channel that `connect` named; absent when it named none.
    pub subscriptions: Option<Vec<Encoded>>,
}

/// `ack` with the payload of `connect`.
pub fn welcome(id: &RequestId, ts: u64, welcome: Welcome<'_>) -> Encoded {
    reply("ack", id, ts, |payload| {
        payload.text("session", welcome.session);
        payload.text("node", welcome.node);
        payload.text_if("user", welcome.user);
        payload.number("version", VERSION.into());
        payload.number("ping_ms", welcome.ping_ms);
        payload.number_if("expires_at", welcome.expires_at);
        payload.text_if("session_key", welcome.session_key);
        payload.number_if("disconnect_after_ms", welcome.disconnect_after_ms);
        payload.object("limits", |limits| {
            limits.number("message_bytes", welcome.message_bytes);
            limits.number("channels", welcome.channels);
            limits.number_if("publish_per_second", welcome.publish_per_second);
        });
        payload.list("features", FEATURES.iter(), |buffer, feature| {
            super::object::text(buffer, feature)
        });
        if let Some(subscriptions) = welcome.subscriptions {
            payload.list("subscriptions", subscriptions.into_iter(), Encoded::append);
        }
    })
}

/// Message pushes in a reply.
#[derive(Clone, Copy, Debug)]
pub enum MessageList<'a> {
    /// In the reply's codec.
    Whole(&'a [bytes::Bytes]),
    /// They come while the reply is sent: [`messages`] writes them, part by part. In MessagePack they must then be so many.
    Later(usize),
}

impl MessageList<'_> {
    fn write(self, object: &mut Object<'_>) {
        match self {
            Self::Whole(messages) => object.encoded_list("messages", messages),
            Self::Later(count) => object.list_later("messages", count),
        }
    }
}

/// A part of the messages that come later, which are encoded already. `goes_on`: others of the same list came before.
pub fn messages(codec: Codec, messages: &[bytes::Bytes], goes_on: bool) -> Encoded {
    let mut part = Encoded::with_capacity(codec, 0);
    if goes_on && codec == Codec::Json {
        part.push(b',');
    }
    part.extend_list(messages);
    part
}

/// The ack of `subscribe`.
#[derive(Clone, Debug, Default)]
pub struct Subscribed<'a> {
    pub channel: &'a str,
    /// Where its history stands, if it has one.
    pub position: Option<&'a Position>,
    /// Whether the client now has everything since the position it named; absent when it named none.
    pub recovered: Option<bool>,
    /// What it missed, oldest first.
    pub messages: Option<MessageList<'a>>,
    /// Who is there, if asked: a [`member_list`].
    pub presence: Option<Encoded>,
}

/// The payload of a `subscribe` ack, which also stands in the ack of `connect`.
pub fn subscribed_payload(codec: Codec, subscribed: Subscribed<'_>) -> Encoded {
    let mut buffer = Encoded::with_capacity(codec, 128);
    let mut payload = Object::open(&mut buffer);
    payload.text("channel", subscribed.channel);
    position(&mut payload, subscribed.position);
    if let Some(recovered) = subscribed.recovered {
        payload.flag("recovered", recovered);
    }
    if let Some(messages) = subscribed.messages {
        messages.write(&mut payload);
    }
    if let Some(members) = subscribed.presence {
        payload.append("presence", members);
    }
    payload.close();
    buffer
}

/// A list of members.
pub fn member_list(codec: Codec, members: &[Member]) -> Encoded {
    let mut buffer = Encoded::with_capacity(codec, 2 + 64 * members.len());
    super::object::list(&mut buffer, members.iter(), member);
    buffer
}

/// The place of a refused channel in the ack of `connect`.
pub fn refused_subscription(codec: Codec, channel: &str, error: &ErrorReply<'_>) -> Encoded {
    let mut buffer = Encoded::with_capacity(codec, 128);
    let mut payload = Object::open(&mut buffer);
    payload.text("channel", channel);
    payload.object("error", |object| error.write(object));
    payload.close();
    buffer
}

/// `ack` with the payload of `subscribe`.
pub fn subscribed(id: &RequestId, ts: u64, subscription: Encoded) -> Encoded {
    let mut buffer = Encoded::with_capacity(id.codec, 160);
    let mut envelope = Object::open(&mut buffer);
    envelope.text("type", "ack");
    envelope.json("id", id.as_json());
    envelope.number("ts", ts);
    envelope.append("payload", subscription);
    envelope.close();
    buffer
}

pub fn unsubscribed_ack(id: &RequestId, ts: u64, channel: &str) -> Encoded {
    reply("ack", id, ts, |payload| payload.text("channel", channel))
}

pub fn published(
    id: &RequestId,
    ts: u64,
    channel: &str,
    message: &str,
    at: Option<&Position>,
    duplicate: bool,
) -> Encoded {
    reply("ack", id, ts, |payload| {
        payload.text("channel", channel);
        payload.text("message", message);
        position(payload, at);
        if duplicate {
            payload.flag("duplicate", true);
        }
    })
}

pub fn presence(id: &RequestId, ts: u64, channel: &str, members: &[Member]) -> Encoded {
    reply("ack", id, ts, |payload| {
        payload.text("channel", channel);
        payload.list("members", members.iter(), member);
        payload.number("count", members.len() as u64);
    })
}

/// `ack` of `history`.
pub fn history(id: &RequestId, ts: u64, channel: &str, newest: &Position, messages: MessageList<'_>) -> Encoded {
    reply("ack", id, ts, |payload| {
        payload.text("channel", channel);
        position(payload, Some(newest));
        messages.write(payload);
    })
}

pub fn refreshed(id: &RequestId, ts: u64, expires_at: Option<u64>) -> Encoded {
    reply("ack", id, ts, |payload| payload.number_if("expires_at", expires_at))
}

pub fn pong(id: &RequestId, ts: u64) -> Encoded {
    reply("ack", id, ts, |_| {})
}

pub fn error(id: &RequestId, ts: u64, error: &ErrorReply<'_>) -> Encoded {
    reply("error", id, ts, |payload| error.write(payload))
}

pub fn message(codec: Codec, push: &MessagePush<'_>) -> Vec<u8> {
    let mut buffer = Encoded::with_capacity(codec, 192 + push.data.len());
    let mut envelope = Object::open(&mut buffer);
    envelope.text("type", "message");
    envelope.text("id", push.id);
    envelope.number("ts", push.ts);
    envelope.text("channel", push.channel);
    envelope.data("payload", push.content, push.data);
    position(&mut envelope, push.position);
    if let Some(from) = push.from {
        envelope.object("from", |object| member_fields(object, from));
    }
    if !push.tags.is_empty() {
        envelope.object("tags", |tags| {
            for (key, value) in push.tags {
                tags.text(key, value);
            }
        });
    }
    envelope.close();
    whole(buffer)
}

pub fn presence_change(codec: Codec, ts: u64, joined: bool, channel: &str, who: &Member) -> Vec<u8> {
    let kind = if joined { "join" } else { "leave" };
    push(codec, kind, ts, Some(channel), |payload| member_fields(payload, who))
}

pub fn unsubscribed(codec: Codec, ts: u64, channel: &str, code: CloseCode) -> Vec<u8> {
    push(codec, "unsubscribed", ts, Some(channel), |payload| {
        payload.number("code", code.number.into());
        payload.text("reason", code.reason);
    })
}

pub fn disconnect(codec: Codec, ts: u64, code: CloseCode, retry_after_ms: Option<u64>) -> Vec<u8> {
    push(codec, "disconnect", ts, None, |payload| {
        payload.number("code", code.number.into());
        payload.text("reason", code.reason);
        payload.flag("reconnect", code.reconnect);
        payload.number_if("retry_after_ms", retry_after_ms);
    })
}

/// The type of an envelope that was written here: all of them begin with it.
pub fn type_of(envelope: &[u8]) -> &str {
    let kind = envelope.strip_prefix(b"{\"type\":\"").unwrap_or_default();
    let end = kind.iter().position(|byte| *byte == b'"').unwrap_or_default();
    str::from_utf8(&kind[..end]).unwrap_or_default()
}

fn reply(kind: &str, id: &RequestId, ts: u64, write: impl FnOnce(&mut Object<'_>)) -> Encoded {
    let mut buffer = Encoded::with_capacity(id.codec, 160);
    let mut envelope = Object::open(&mut buffer);
    envelope.text("type", kind);
    envelope.json("id", id.as_json());
    envelope.number("ts", ts);
    envelope.object("payload", write);
    envelope.close();
    buffer
}

fn push(codec: Codec, kind: &str, ts: u64, channel: Option<&str>, write: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut buffer = Encoded::with_capacity(codec, 160);
    let mut envelope = Object::open(&mut buffer);
    envelope.text("type", kind);
    envelope.number("ts", ts);
    envelope.text_if("channel", channel);
    envelope.object("payload", write);
    envelope.close();
    whole(buffer)
}

/// The whole of a push, which shares nothing.
fn whole(push: Encoded) -> Vec<u8> {
    push.into_text().unwrap_or_else(|push| push.to_vec())
}

fn position(object: &mut Object<'_>, position: Option<&Position>) {
    if let Some(position) = position {
        object.text("epoch", &position.epoch);
        object.number("offset", position.offset);
    }
}

fn member(buffer: &mut Encoded, who: &Member) {
    let mut object = Object::open(buffer);
    member_fields(&mut object, who);
    object.close();
}

fn member_fields(object: &mut Object<'_>, who: &Member) {
    object.text_if("user", who.user.as_deref());
    object.text("session", &who.session);
}
