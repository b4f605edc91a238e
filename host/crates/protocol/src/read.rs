//! JSON text to [`Request`]. What is no envelope, what is no known type and what is a bad payload are
//! three different things to the client, so they are three here.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::names::Channel;
use super::request::{Body, Connect, HistoryRequest, Position, Publish, Request, RequestId, Subscribe};
use super::{VERSION, codes};

/// Bytes of a request's id at most, as JSON text.
const ID_BYTES: usize = 256;
/// Bytes of an idempotency key at most.
const KEY_BYTES: usize = 256;
/// Bytes of an epoch at most.
const EPOCH_BYTES: usize = 64;

/// Why a text is no request.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// No envelope: the connection ends with 4500. The text is for the log and the close reason.
    NotAnEnvelope(String),
    /// An envelope that asks nothing sensible: an `error` reply with this code and message.
    Request {
        /// Whose reply it is.
        id: RequestId,
        /// The code.
        code: codes::ErrorCode,
        /// For a person.
        message: String,
    },
}

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawClient<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawConnect<'a> {
    version: u32,
    #[serde(borrow)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client: Option<RawClient<'a>>,
    #[serde(borrow, default)]
    subscribe: Option<Vec<RawSubscribe<'a>>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawPosition<'a> {
    #[serde(borrow)]
    epoch: Cow<'a, str>,
    offset: u64,
}

#[derive(Deserialize)]
struct RawSubscribe<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    since: Option<RawPosition<'a>>,
    #[serde(default)]
    presence: Option<bool>,
}

#[derive(Deserialize)]
struct RawPublish<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    ephemeral: Option<bool>,
    echo: Option<bool>,
}

#[derive(Deserialize)]
struct RawHistory<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    limit: Option<usize>,
    #[serde(borrow)]
    since: Option<RawPosition<'a>>,
    reverse: Option<bool>,
}

#[derive(Deserialize)]
struct RawChannel<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawRefresh<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
}

/// Reads one message of a client.
pub fn read(text: &Bytes) -> Result<Request, Refused> {
    let envelope: RawEnvelope<'_> =
        serde_json::from_slice(text).map_err(|e| Refused::NotAnEnvelope(format!("not an envelope: {e}")))?;
    let id = read_id(text, envelope.id)?;
    let payload = envelope.payload.map_or("{}", RawValue::get);
    match read_body(text, &envelope.kind, payload) {
        Ok(body) => Ok(Request { id, body }),
        Err(Problem { code, message }) => Err(Refused::Request { id, code, message }),
    }
}

fn read_id(text: &Bytes, id: Option<&RawValue>) -> Result<RequestId, Refused> {
    let id = id.map(RawValue::get).unwrap_or_default();
    let is_number_or_string = id.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '"');
    if !is_number_or_string {
        let problem = "an envelope needs an id, a number or a string";
        return Err(Refused::NotAnEnvelope(problem.into()));
    }
    if id.len() > ID_BYTES {
        let problem = format!("an id has at most {ID_BYTES} bytes");
        return Err(Refused::NotAnEnvelope(problem));
    }
    Ok(RequestId(text.slice_ref(id.as_bytes())))
}

/// A bad payload, before it is known whose.
struct Problem {
    code: codes::ErrorCode,
    message: String,
}

impl Problem {
    fn bad(message: impl Into<String>) -> Self {
        Self {
            code: codes::BAD_REQUEST,
            message: message.into(),
        }
    }
}

fn read_body(text: &Bytes, kind: &str, payload: &str) -> Result<Body, Problem> {
    Ok(match kind {
        "publish" => Body::Publish(publish(text, parse(kind, payload)?)?),
        "subscribe" => Body::Subscribe(subscribe(parse(kind, payload)?)?),
        "unsubscribe" => Body::Unsubscribe(channel(&parse::<RawChannel<'_>>(kind, payload)?.channel)?),
        "connect" => Body::Connect(Box::new(connect(parse(kind, payload)?)?)),
        "presence" => Body::Presence(channel(&parse::<RawChannel<'_>>(kind, payload)?.channel)?),
        "history" => Body::History(history(parse(kind, payload)?)?),
        "refresh" => Body::Refresh(parse::<RawRefresh<'_>>(kind, payload)?.token.into_owned()),
        "ping" => Body::Ping,
        unknown => {
            let unknown: String = unknown.chars().take(64).collect();
            return Err(Problem {
                code: codes::UNKNOWN_TYPE,
                message: format!("this broker knows no type {unknown:?}"),
            });
        }
    })
}

fn parse<'a, T: Deserialize<'a>>(kind: &str, payload: &'a str) -> Result<T, Problem> {
    serde_json::from_str(payload).map_err(|e| Problem::bad(format!("bad payload of {kind}: {e}")))
}

fn channel(name: &str) -> Result<Channel, Problem> {
    Channel::parse(name).map_err(|e| Problem::bad(e.to_string()))
}

fn position(raw: Option<RawPosition<'_>>) -> Result<Option<Position>, Problem> {
    raw.map(|raw| {
        if raw.epoch.len() > EPOCH_BYTES {
            return Err(Problem::bad(format!("an epoch has at most {EPOCH_BYTES} bytes")));
        }
        Ok(Position {
            epoch: raw.epoch.into(),
            offset: raw.offset,
        })
    })
    .transpose()
}

fn connect(raw: RawConnect<'_>) -> Result<Connect, Problem> {
    if raw.version != VERSION {
        return Err(Problem::bad(format!(
            "this broker speaks version {VERSION}, not {}",
            raw.version
        )));
    }
    let subscribe = raw.subscribe.unwrap_or_default();
    Ok(Connect {
        token: raw.token.map(Cow::into_owned),
        client_name: raw.client.and_then(|c| c.name).map(Cow::into_owned),
        subscribe: subscribe.into_iter().map(self::subscribe).collect::<Result<_, _>>()?,
        data: raw.data.map(|d| d.get().to_owned()),
    })
}

fn subscribe(raw: RawSubscribe<'_>) -> Result<Subscribe, Problem> {
    Ok(Subscribe {
        channel: channel(&raw.channel)?,
        since: position(raw.since)?,
        presence: raw.presence.unwrap_or(false),
    })
}

fn publish(text: &Bytes, raw: RawPublish<'_>) -> Result<Publish, Problem> {
    let key = raw.key.filter(|key| !key.is_empty());
    if key.as_ref().is_some_and(|key| key.len() > KEY_BYTES) {
        return Err(Problem::bad(format!("a key has at most {KEY_BYTES} bytes")));
    }
    Ok(Publish {
        channel: channel(&raw.channel)?,
        data: text.slice_ref(raw.data.get().as_bytes()),
        key: key.map(|key| key.into_owned().into_boxed_str()),
        ephemeral: raw.ephemeral.unwrap_or(false),
        echo: raw.echo.unwrap_or(true),
    })
}

fn history(raw: RawHistory<'_>) -> Result<HistoryRequest, Problem> {
    Ok(HistoryRequest {
        channel: channel(&raw.channel)?,
        limit: raw.limit,
        since: position(raw.since)?,
        reverse: raw.reverse.unwrap_or(false),
    })
}
