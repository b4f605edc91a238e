//! The body of a poll.

use std::borrow::Cow;
use std::time::Duration;

use protocol::Whole;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body;
use crate::gateway::refusal::HttpRefusal;
use protocol::Codec;
use relay::PostKind;

/// How long a poll waits that says nothing of it …
const WAIT_MS: u64 = 25_000;
/// … and at most: proxies end what is silent for a minute.
const MAX_WAIT_MS: u64 = 55_000;

/// A poll, and its requests as they are encoded.
pub(super) struct PollBody<'a> {
    /// What names the session, and proves that it is its client's; none: a session is to begin.
    pub session: Option<Cow<'a, str>>,
    pub batch: Option<u64>,
    /// By which a first poll may be said again.
    pub open: Option<String>,
    pub kind: PostKind,
    pub requests: Vec<&'a [u8]>,
}

/// The same as JSON has it.
#[derive(Deserialize)]
struct PollFields<'a> {
    #[serde(borrow)]
    session: Option<BorrowedText<'a>>,
    batch: Option<Whole<u64>>,
    ack: Option<Whole<u64>>,
    wait_ms: Option<Whole<u64>>,
    open: Option<String>,
    #[serde(borrow, default)]
    requests: Vec<&'a RawValue>,
}

/// A text that is copied only where it has escapes. By itself serde copies each within an `Option`.
#[derive(Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

// === impl PollBody ===

impl<'a> PollBody<'a> {
    pub(super) fn read(codec: Codec, bytes: &'a [u8]) -> Result<Self, HttpRefusal> {
        if codec == Codec::MessagePack {
            return Self::read_packed(bytes);
        }
        let fields: PollFields<'a> = serde_json::from_slice(bytes).map_err(|error| no_poll(error.to_string()))?;
        let requests = fields.requests.iter().map(|request| request.get().as_bytes()).collect();
        Ok(Self::of(fields, requests))
    }

    /// The same in MessagePack.
    fn read_packed(bytes: &'a [u8]) -> Result<Self, HttpRefusal> {
        let fields = ["session", "batch", "ack", "wait_ms", "open", "requests"];
        let values = message_pack::first_fields(bytes, &fields).map_err(|fault| no_poll(format!("it {fault}")))?;
        let [scalars @ .., requests] = values;
        let mut said = Vec::new();
        for (name, value) in fields.iter().zip(scalars) {
            if let Some(value) = value {
                let value = message_pack::to_json(value, None).map_err(|bad| no_poll(format!("{name}: {bad}")))?;
                said.push(format!("\"{name}\":{}", value.text));
            }
        }
        let said = format!("{{{}}}", said.join(","));
        let fields: PollFields<'_> = serde_json::from_str(&said).map_err(|error| no_poll(error.to_string()))?;
        let requests = requests.map_or(Ok(Vec::new()), |requests| body::list(Codec::MessagePack, requests))?;
        Ok(Self::of(fields.owned(), requests))
    }

    fn of(fields: PollFields<'a>, requests: Vec<&'a [u8]>) -> Self {
        let number = |whole: Option<Whole<u64>>| whole.map(|whole| whole.0);
        let wait = number(fields.wait_ms).unwrap_or(WAIT_MS).min(MAX_WAIT_MS);
        Self {
            session: fields.session.map(|session| session.0),
            batch: number(fields.batch),
            open: fields.open,
            kind: PostKind::Poll {
                ack: number(fields.ack).unwrap_or(0),
                wait: Duration::from_millis(wait),
            },
            requests,
        }
    }
}

// === impl PollFields ===

impl PollFields<'_> {
    /// The same, of a text that is over, and without its requests.
    fn owned(self) -> PollFields<'static> {
        PollFields {
            session: self.session.map(|session| BorrowedText(session.0.into_owned().into())),
            batch: self.batch,
            ack: self.ack,
            wait_ms: self.wait_ms,
            open: self.open,
            requests: Vec::new(),
        }
    }
}

fn no_poll(why: String) -> HttpRefusal {
    body::bad(format!("the body is no poll: {why}"))
}

/// As much of an envelope as says that it begins a session, and how it may be said again.
#[derive(Deserialize)]
pub(super) struct FirstRequest {
    pub r#type: String,
    open: Option<String>,
    payload: Option<FirstPayload>,
}

#[derive(Deserialize)]
struct FirstPayload {
    open: Option<String>,
}

impl FirstRequest {
    pub(super) fn read(codec: Codec, request: &[u8]) -> Option<Self> {
        match codec {
            Codec::Json => serde_json::from_slice(request).ok(),
            Codec::MessagePack => serde_json::from_str(&message_pack::to_json(request, None).ok()?.text).ok(),
        }
    }

    /// By which it may be said again.
    pub(super) fn open(self) -> Option<String> {
        self.open.or(self.payload.and_then(|payload| payload.open))
    }
}
