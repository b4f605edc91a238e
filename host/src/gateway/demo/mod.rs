//! The demo's pages and tokens: only with `serve --demo`, which listens on the loopback address only.

mod files;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::refusal::HttpRefusal;
use super::state::Gateway;

/// Who is on the pages.
const USERS: [&str; 4] = ["ann", "bob", "cyd", "dan"];
const TOKEN_TTL: Duration = Duration::from_hours(1);

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/", get(async || files::answer("chat.html")))
        .route("/editor", get(async || files::answer("editor.html")))
        .route("/demo/tokens", get(tokens))
        .route(
            "/demo/{*name}",
            get(async |Path(name): Path<String>| files::answer(&name)),
        )
}

/// Fresh tokens of the demo's users.
async fn tokens(State(gateway): State<Arc<Gateway>>) -> Response {
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
