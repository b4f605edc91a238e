//! Answers to a page's requests, which it can read if it may.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::body;
use crate::gateway::cors::Cors;
use crate::gateway::entry::{self, unavailable};
use crate::gateway::keep_open::KeepOpen;
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::turned_away::COME_BACK;
use config::Tenant;
use protocol::Codec;
use relay::PostAnswer;
use std::sync::Arc;

/// The tenant that a request means, and the page that sent it.
#[derive(Clone)]
pub(in crate::gateway) struct ClientPage {
    pub tenant: Arc<Tenant>,
    pub origin: Option<Box<str>>,
    pub cors: Cors,
}

// === impl ClientPage ===

impl ClientPage {
    /// None of another origin than the tenant allows.
    pub(in crate::gateway) fn of(
        gateway: &Gateway,
        named: Option<&str>,
        request: &Request,
    ) -> Result<Self, HttpRefusal> {
        let tenant = entry::tenant(gateway, named, request)?;
        let origin = entry::allowed_origin(&tenant.allowed_origins, request.headers())?;
        Ok(Self {
            cors: Cors::of(&tenant.allowed_origins, origin),
            origin: origin.map(Box::from),
            tenant,
        })
    }

    /// An answer as the page gets it. Who is refused has to take a connection for its next try.
    pub(in crate::gateway) fn answer(&self, answered: Result<Response, HttpRefusal>) -> Response {
        let is_answered = answered.is_ok();
        let mut response = answered.unwrap_or_else(IntoResponse::into_response);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.cors.add_to(headers);
        if is_answered {
            response.extensions_mut().insert(KeepOpen { is_known: true });
        }
        response
    }
}

/// A refusal before the page is known, which cannot read it.
pub(super) fn boxed(refusal: HttpRefusal) -> Box<Response> {
    Box::new(refusal.into_response())
}

/// A body of JSON.
pub(super) fn json(body: impl Into<Bytes>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// What became of a post in this codec.
pub(super) fn posted(codec: Codec, answer: PostAnswer) -> Result<Response, HttpRefusal> {
    let done = done(answer)?;
    Ok(([(CONTENT_TYPE, body::media(codec))], done).into_response())
}

/// The body of the answer to a post, or why there is none.
pub(super) fn done(answer: PostAnswer) -> Result<Bytes, HttpRefusal> {
    Err(match answer {
        PostAnswer::Done(done) => return Ok(done),
        PostAnswer::Gone => gone(),
        PostAnswer::Bad(why) => HttpRefusal::new(StatusCode::BAD_REQUEST, why),
        PostAnswer::Busy { retry_after } => {
            let sentence = "too many posts wait for this session; send fewer at a time";
            HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, sentence).retry_after(retry_after)
        }
        PostAnswer::Unavailable => unavailable("the session cannot be asked now", COME_BACK),
    })
}

pub(super) fn gone() -> HttpRefusal {
    let sentence = "the session is gone; begin a new one, and resume its channels by since";
    HttpRefusal::new(StatusCode::GONE, sentence)
}
