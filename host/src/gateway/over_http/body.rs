//! The body of a post: read within a time and a size, and taken apart into requests.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::StatusCode;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use relay::PostPlace;
use serde_json::value::RawValue;

use crate::gateway::entry::unavailable;
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::turned_away::COME_BACK;
use config::Tenant;

/// Bytes of a post at most, unless one envelope alone may have as many.
const POST_BYTES: usize = 262_144;
/// What stands around the envelope in a post of one.
const AROUND_BYTES: usize = 4_096;
/// Requests of a post at most.
const REQUESTS: usize = 256;

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

fn full() -> HttpRefusal {
    unavailable("too many posts of the tenant are under way on this node", COME_BACK)
}

/// The envelopes of a list, each a part of `body`.
pub(super) fn requests(body: &Bytes, list: &[&RawValue], tenant: &Tenant) -> Result<Vec<Bytes>, HttpRefusal> {
    if list.len() > REQUESTS {
        let sentence = format!("a post has at most {REQUESTS} requests, not {}", list.len());
        return Err(HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
    }
    let most = tenant.limits.message_bytes;
    let part = |request: &&RawValue| {
        let text = request.get();
        if text.len() > most {
            let sentence = format!(
                "an envelope has at most {most} bytes (limits.message_bytes), not {}",
                text.len()
            );
            return Err(HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
        }
        Ok(body.slice_ref(text.as_bytes()))
    };
    list.iter().map(part).collect()
}

pub(super) fn bad(sentence: impl Into<String>) -> HttpRefusal {
    HttpRefusal::new(StatusCode::BAD_REQUEST, sentence)
}
