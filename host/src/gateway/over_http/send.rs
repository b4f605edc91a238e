//! `POST /send`: requests beside a stream of events, which are answered by their replies.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answers::{ClientPage, posted};
use super::body;
use super::session_name::{NamedSession, deliver, find};
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::{entry, headers};
use relay::{Post, PostKind};

/// `<session>.<session_key>`
const SESSION: HeaderName = HeaderName::from_static("sluicegate-session");
/// Which of the client's own posts it is, from 1.
const BATCH: HeaderName = HeaderName::from_static("sluicegate-batch");

pub(in crate::gateway) async fn answer(gateway: &Gateway, named: Option<&str>, request: Request) -> Response {
    let page = match ClientPage::of(gateway, named, &request) {
        Ok(page) => page,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = carry_out(gateway, &page, request).await;
    page.answer(answered)
}

async fn carry_out(gateway: &Gateway, page: &ClientPage, request: Request) -> Result<Response, HttpRefusal> {
    let remote = entry::visit(&request)?.peer.client(request.headers());
    let credential = headers::single(request.headers(), &SESSION)?
        .unwrap_or_default()
        .to_owned();
    let batch = batch(request.headers())?;
    let codec = body::codec(request.headers())?;
    let tenant = &page.tenant;
    // Before anything is read of it.
    let NamedSession { name, owner } = find(gateway, remote, tenant, &credential).await?;
    let body = body::read(request.into_body(), gateway, tenant).await?;
    let bytes = &body.bytes;
    let post = Post {
        tenant: tenant.name.clone(),
        session: name,
        open: None,
        kind: PostKind::Send,
        batch,
        requests: body::requests(bytes, &body::list(codec, bytes)?, tenant)?,
        codec,
    };
    posted(codec, deliver(gateway, owner, post).await)
}

fn batch(headers: &HeaderMap) -> Result<Option<u64>, HttpRefusal> {
    let Some(text) = headers::single(headers, &BATCH)? else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|number| *number > 0);
    let bad = || {
        HttpRefusal::new(
            StatusCode::BAD_REQUEST,
            format!("{BATCH} must be a number from 1, not {text:?}"),
        )
    };
    number.map(Some).ok_or_else(bad)
}
