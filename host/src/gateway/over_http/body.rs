//! The body of a post: read within a time and a size, and taken apart into requests.

use std::fmt::Display;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use message_pack::ListItems;
use relay::PostPlace;
use serde_json::value::RawValue;

use crate::gateway::entry::unavailable;
use crate::gateway::headers;
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::turned_away::COME_BACK;
use config::Tenant;
use protocol::Codec;

/// Bytes of a post at most, unless one envelope alone may have as many.
const POST_BYTES: usize = 262_144;
/// What stands around the envelope in a post of one.
const AROUND_BYTES: usize = 4_096;
/// Requests of a post at most.
const REQUESTS: u32 = 256;
/// The Content-Type of MessagePack.
const MESSAGE_PACK: &str = "application/vnd.sluicegate.v1+msgpack";

/// A body, and its place among those of the node.
pub(super) struct PostBody {
    pub bytes: Bytes,
    _place: PostPlace,
}

/// Reads a whole body. It takes room as it comes, so that whoever announces much has to send it.
pub(super) async fn read(mut body: Body, gateway: &Gateway, tenant: &Tenant) -> Result<PostBody, HttpRefusal> {
    let most = POST_BYTES.max(tenant.limits.message_bytes + AROUND_BYTES);
    let too_large = || {
        let sentence = format!("a post has at most {most} bytes; send its requests in several");
        HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    };
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let mut place = gateway.bodies.enter(&tenant.name, 0).ok_or_else(full)?;
    let mut bytes = BytesMut::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| bad(format!("the body cannot be read: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > most {
                return Err(too_large());
            }
            if !place.grow(data.len()) {
                return Err(full());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(())
    };
    let Ok(read) = tokio::time::timeout(gateway.header_timeout, reading).await else {
        let sentence = "the body did not come in time";
        return Err(HttpRefusal::new(StatusCode::REQUEST_TIMEOUT, sentence));
    };
    read?;
    Ok(PostBody {
        bytes: bytes.freeze(),
        _place: place,
    })
}

impl PostBody {
    /// A body that came without HTTP.
    pub(super) fn hold(bytes: Bytes, gateway: &Gateway, tenant: &Tenant) -> Result<Self, HttpRefusal> {
        let place = gateway.bodies.enter(&tenant.name, bytes.len()).ok_or_else(full)?;
        Ok(Self { bytes, _place: place })
    }
}

fn full() -> HttpRefusal {
    unavailable("too many posts of the tenant are under way on this node", COME_BACK)
}

/// How a post is encoded, and its answer. What is not said to be MessagePack is JSON.
pub(super) fn codec(headers: &HeaderMap) -> Result<Codec, HttpRefusal> {
    let media = headers::single(headers, &CONTENT_TYPE)?.unwrap_or_default();
    let (media, _) = media.split_once(';').unwrap_or((media, ""));
    let is_packed = media.trim().eq_ignore_ascii_case(MESSAGE_PACK);
    Ok(if is_packed { Codec::MessagePack } else { Codec::Json })
}

/// What the answers in this codec are said to be.
pub(super) const fn media(codec: Codec) -> &'static str {
    match codec {
        Codec::Json => "application/json",
        Codec::MessagePack => MESSAGE_PACK,
    }
}

/// The values of the list that is all of `bytes`.
pub(super) fn list(codec: Codec, bytes: &[u8]) -> Result<Vec<&[u8]>, HttpRefusal> {
    let no_list = |why: String| bad(format!("the body is no list of envelopes: {why}"));
    match codec {
        Codec::Json => {
            let list: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(|error| no_list(error.to_string()))?;
            Ok(list.into_iter().map(|item| item.get().as_bytes()).collect())
        }
        Codec::MessagePack => match message_pack::list_items(bytes, REQUESTS) {
            Ok(ListItems::All(items)) => Ok(items),
            Ok(ListItems::TooMany(found)) => Err(too_many(found)),
            Ok(ListItems::NoList) => Err(no_list("it is something else".into())),
            Err(fault) => Err(no_list(format!("it {fault}"))),
        },
    }
}

/// The envelopes of a list, each a part of `body`.
pub(super) fn requests(body: &Bytes, list: &[&[u8]], tenant: &Tenant) -> Result<Vec<Bytes>, HttpRefusal> {
    if list.len() > REQUESTS as usize {
        return Err(too_many(list.len()));
    }
    let most = tenant.limits.message_bytes;
    let part = |request: &&[u8]| {
        if request.len() > most {
            let sentence = format!(
                "an envelope has at most {most} bytes (limits.message_bytes), not {}",
                request.len()
            );
            return Err(HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
        }
        Ok(body.slice_ref(request))
    };
    list.iter().map(part).collect()
}

fn too_many(found: impl Display) -> HttpRefusal {
    let sentence = format!("a post has at most {REQUESTS} requests, not {found}");
    HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
}

pub(super) fn bad(sentence: impl Into<String>) -> HttpRefusal {
    HttpRefusal::new(StatusCode::BAD_REQUEST, sentence)
}
