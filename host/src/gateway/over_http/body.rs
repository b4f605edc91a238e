//! The body of a post: read within a time and a size, and taken apart into requests.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::value::RawValue;

use crate::gateway::refusal::HttpRefusal;
use config::Tenant;

/// Bytes of a post at most, unless one envelope alone may have as many.
const POST_BYTES: usize = 262_144;
/// What stands around the envelope in a post of one.
const AROUND_BYTES: usize = 4_096;
/// Requests of a post at most.
const REQUESTS: usize = 256;

/// Reads a whole body.
pub(super) async fn read(body: Body, tenant: &Tenant, within: Duration) -> Result<Bytes, HttpRefusal> {
    let most = POST_BYTES.max(tenant.limits.message_bytes + AROUND_BYTES);
    match tokio::time::timeout(within, Limited::new(body, most).collect()).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let sentence = format!("a post has at most {most} bytes; send its requests in several");
            Err(HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence))
        }
        Ok(Err(error)) => Err(bad(format!("the body cannot be read: {error}"))),
        Err(_) => {
            let sentence = "the body did not come in time";
            Err(HttpRefusal::new(StatusCode::REQUEST_TIMEOUT, sentence))
        }
    }
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
