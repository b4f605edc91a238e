//! Messages of a client to [`Request`]s: JSON text, or MessagePack, which becomes JSON text of the same value but for its
//! binary data. What is no envelope, what is no known type and what is a bad payload are
//! three different things to the client, so they are three here.

use std::borrow::Cow;

use bytes::Bytes;

use super::base64_text::read_base64_json;
use super::codec::Codec;
use super::content::Content;
use super::fields::{self, BadField};
use super::names::Channel;
use super::request::{Body, Connect, HistoryRequest, Position, Publish, Request, RequestId, Subscribe};
use super::{VERSION, codes};

/// Bytes of a request's id at most, as JSON text.
const ID_BYTES: usize = 256;
/// Bytes of an idempotency key at most.
pub const MESSAGE_KEY_BYTES: usize = 256;
/// Bytes of an epoch at most.
pub(super) const EPOCH_BYTES: usize = 64;
/// The one `encoding` that there is.
pub(super) const BASE64: &str = "base64";

/// Why a text is no request.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// No envelope: the connection ends with 4500. The text is for the log and the close reason.
    NotAnEnvelope(String),
    /// An envelope that asks nothing sensible: an `error` reply with this code and message.
    Request {
        /// Whose reply it is.
        id: RequestId,
        code: codes::ErrorCode,
        message: String,
    },
}

/// Where the one value stands that may be binary.
const BINARY_AT: [&str; 2] = ["payload", "data"];

/// Reads one message of a client, in this codec.
///
/// # Errors
/// [`Refused`].
pub fn read_as(codec: Codec, bytes: &Bytes) -> Result<Request, Refused> {
    match codec {
        Codec::Json => read(bytes),
        Codec::MessagePack => read_message_pack(bytes),
    }
}

/// Reads one message of a client, in JSON.
///
/// # Errors
/// [`Refused`].
pub fn read(text: &Bytes) -> Result<Request, Refused> {
    envelope(text, Codec::Json, None)
}

/// Reads one message of a client, in MessagePack.
///
/// # Errors
/// [`Refused`]. What stands in an envelope and may not is a bad request, as long as there are a type and an id to answer to.
pub fn read_message_pack(bytes: &Bytes) -> Result<Request, Refused> {
    let read = match message_pack::to_json(bytes, Some(&BINARY_AT)) {
        Ok(read) => read,
        Err(bad) => return Err(unreadable(bytes, bad.to_string())),
    };
    let binary = read.binary.map(|range| part_of(bytes, &bytes[range]));
    match envelope(&read.text.into(), Codec::MessagePack, binary) {
        Err(Refused::NotAnEnvelope(why)) => Err(unreadable(bytes, why)),
        read => read,
    }
}

/// What is said of an envelope in MessagePack that cannot be read, to its sender if its type and its id can.
fn unreadable(bytes: &Bytes, why: String) -> Refused {
    let fields = message_pack::first_fields(bytes, &["type", "id"]);
    let texts =
        fields.map(|fields| fields.map(|field| field.and_then(|field| message_pack::to_json(field, None).ok())));
    if let Ok([Some(kind), Some(id)]) = texts
        && kind.text.starts_with('"')
        && let Ok(id) = request_id(&Bytes::from(id.text), Codec::MessagePack)
    {
        return Refused::Request {
            id,
            code: codes::BAD_REQUEST,
            message: why,
        };
    }
    Refused::NotAnEnvelope(why)
}

/// Reads an envelope whose data may have come as bytes.
fn envelope(text: &Bytes, codec: Codec, binary: Option<Bytes>) -> Result<Request, Refused> {
    let no_envelope = |why: String| Refused::NotAnEnvelope(format!("not an envelope: {why}"));
    let json = std::str::from_utf8(text).map_err(|error| no_envelope(error.to_string()))?;
    let [kind, id, payload] =
        fields::read(json, &["type", "id", "payload"]).map_err(|error| no_envelope(error.to_string()))?;
    let kind = kind.text().map_err(|error| no_envelope(error.to_string()))?;
    let id = id.optional_json().unwrap_or_default();
    let id = request_id(&text.slice_ref(id.as_bytes()), codec)?;
    let payload = payload.optional_json().unwrap_or("{}");
    match read_body(text, &kind, payload, codec, binary) {
        Ok(body) => Ok(Request { id, body }),
        Err(BadRequest { code, message }) => Err(Refused::Request { id, code, message }),
    }
}

fn request_id(json: &Bytes, codec: Codec) -> Result<RequestId, Refused> {
    let is_number_or_text = json
        .first()
        .is_some_and(|first| first.is_ascii_digit() || matches!(first, b'-' | b'"'));
    if !is_number_or_text {
        let problem = "an envelope needs an id, a number or a string";
        return Err(Refused::NotAnEnvelope(problem.into()));
    }
    if json.len() > ID_BYTES {
        let problem = format!("an id has at most {ID_BYTES} bytes");
        return Err(Refused::NotAnEnvelope(problem));
    }
    Ok(RequestId {
        json: json.clone(),
        codec,
    })
}

/// A part of an envelope that is kept for longer: shared, unless most of what it would hold is something else.
fn part_of(whole: &Bytes, part: &[u8]) -> Bytes {
    if part.len() < whole.len() / 2 {
        return Bytes::copy_from_slice(part);
    }
    whole.slice_ref(part)
}

/// A request that cannot be carried out, before it is known which reply says so.
struct BadRequest {
    code: codes::ErrorCode,
    message: String,
}

impl From<BadField> for BadRequest {
    fn from(mut field: BadField) -> Self {
        if field.path.is_empty() {
            "payload".clone_into(&mut field.path);
        }
        Self {
            code: codes::BAD_REQUEST,
            message: field.to_string(),
        }
    }
}

fn read_body(text: &Bytes, kind: &str, payload: &str, codec: Codec, binary: Option<Bytes>) -> Result<Body, BadRequest> {
    let has_binary = binary.is_some();
    let body = match kind {
        "publish" => Body::Publish(publish(text, payload, codec, binary)?),
        "subscribe" => Body::Subscribe(subscribe(payload)?),
        "unsubscribe" => Body::Unsubscribe(channel_alone(payload)?),
        "connect" => Body::Connect(Box::new(connect(payload)?)),
        "presence" => Body::Presence(channel_alone(payload)?),
        "history" => Body::History(history(payload)?),
        "refresh" => Body::Refresh(refresh(payload)?),
        "ping" => Body::Ping,
        unknown => {
            let unknown: String = unknown.chars().take(64).collect();
            return Err(BadRequest {
                code: codes::UNKNOWN_TYPE,
                message: format!("this broker knows no type {unknown:?}"),
            });
        }
    };
    if has_binary && !matches!(body, Body::Publish(_)) {
        return Err(BadField::new("data", "is binary, which only the data of a publish may be").into());
    }
    Ok(body)
}

fn connect(payload: &str) -> Result<Connect, BadField> {
    let [version, token, client, subscribe, data] =
        fields::read(payload, &["version", "token", "client", "subscribe", "data"])?;
    let wanted = version.whole_number()?;
    if wanted != u64::from(VERSION) {
        return Err(version.bad(format!("this broker speaks version {VERSION}, not {wanted}")));
    }
    let client_name = client.optional_object(|client| {
        let [name] = fields::read(client, &["name"])?;
        name.optional_text()
    })?;
    Ok(Connect {
        token: token.optional_text()?.map(Cow::into_owned),
        client_name: client_name.flatten().map(Cow::into_owned),
        subscribe: subscribe.list(self::subscribe)?,
        data: data.optional_json().map(str::to_owned),
    })
}

fn subscribe(payload: &str) -> Result<Subscribe, BadField> {
    let [channel, since, presence] = fields::read(payload, &["channel", "since", "presence"])?;
    Ok(Subscribe {
        channel: channel.channel()?,
        since: since.optional_object(position)?,
        presence: presence.flag(false)?,
    })
}

fn channel_alone(payload: &str) -> Result<Channel, BadField> {
    let [channel] = fields::read(payload, &["channel"])?;
    channel.channel()
}

fn publish(text: &Bytes, payload: &str, codec: Codec, binary: Option<Bytes>) -> Result<Publish, BadField> {
    let [channel, data, key, ephemeral, echo, encoding] =
        fields::read(payload, &["channel", "data", "key", "ephemeral", "echo", "encoding"])?;
    let key_text = key.optional_text()?.filter(|key| !key.is_empty());
    if key_text.as_ref().is_some_and(|key| key.len() > MESSAGE_KEY_BYTES) {
        return Err(key.bad(format!("a key has at most {MESSAGE_KEY_BYTES} bytes")));
    }
    let channel = channel.channel()?;
    let json = data.json()?;
    // In MessagePack bytes are told by their kind, and the field means nothing.
    let encoding = if codec == Codec::Json {
        encoding.optional_text()?
    } else {
        None
    };
    let (content, data) = match (binary, encoding.as_deref()) {
        (Some(bytes), _) => (Content::Binary, bytes),
        (None, None) => (Content::Json, part_of(text, json.as_bytes())),
        (None, Some(BASE64)) => {
            let bytes = read_base64_json(json.as_bytes());
            let bytes = bytes.map_err(|_| data.bad("must be text in base64 (the standard alphabet, padded)"))?;
            (Content::Binary, bytes.into())
        }
        (None, Some(_)) => return Err(BadField::new("encoding", format!("must be \"{BASE64}\""))),
    };
    Ok(Publish {
        channel,
        content,
        data,
        key: key_text.map(|key| key.into_owned().into_boxed_str()),
        ephemeral: ephemeral.flag(false)?,
        echo: echo.flag(true)?,
    })
}

fn history(payload: &str) -> Result<HistoryRequest, BadField> {
    let [channel, limit, since, reverse] = fields::read(payload, &["channel", "limit", "since", "reverse"])?;
    let limit = limit.optional_whole_number()?;
    Ok(HistoryRequest {
        channel: channel.channel()?,
        // More than memory can address is more than any history holds.
        limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        since: since.optional_object(position)?,
        reverse: reverse.flag(false)?,
    })
}

fn refresh(payload: &str) -> Result<String, BadField> {
    let [token] = fields::read(payload, &["token"])?;
    Ok(token.text()?.into_owned())
}

fn position(payload: &str) -> Result<Position, BadField> {
    let [epoch, offset] = fields::read(payload, &["epoch", "offset"])?;
    let epoch_text = epoch.text()?;
    if epoch_text.len() > EPOCH_BYTES {
        return Err(epoch.bad(format!("an epoch has at most {EPOCH_BYTES} bytes")));
    }
    Ok(Position {
        epoch: epoch_text.into(),
        offset: offset.whole_number()?,
    })
}
