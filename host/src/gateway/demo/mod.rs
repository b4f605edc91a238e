//! The demo page and its tokens: only with `serve --demo`, which listens on the loopback address only.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use super::refusal::HttpRefusal;
use super::state::Gateway;

const PAGE: &str = include_str!("page.html");
/// The page is one document, and talks to this broker only.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self' ws: wss:; img-src data:; base-uri 'none'; form-action 'none'";
/// Who is on the page.
const USERS: [&str; 2] = ["ann", "bob"];
const TOKEN_TTL: Duration = Duration::from_hours(1);

pub(super) async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)).into_response()
}

/// Fresh tokens of the demo's users.
pub(super) async fn tokens(State(gateway): State<Arc<Gateway>>) -> Response {
    let Some(tenant) = gateway.directory.default_tenant() else {
        let sentence = "the demo needs a default_tenant in the config";
        return HttpRefusal::new(StatusCode::NOT_FOUND, sentence).into_response();
    };
    let mut users = Vec::new();
    for user in USERS {
        match crate::token::mint(&tenant, user, None, TOKEN_TTL, SystemTime::now()) {
            Ok(token) => users.push(json!({ "user": user, "token": token })),
            Err(error) => return HttpRefusal::new(StatusCode::NOT_FOUND, error.to_string()).into_response(),
        }
    }
    let body = json!({ "tenant": &*tenant.name, "users": users }).to_string();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}
