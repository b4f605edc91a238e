//! What a browser asks before a page of another origin may ask.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answers::ClientPage;
use crate::gateway::keep_open::KeepOpen;
use crate::gateway::state::Gateway;

pub(in crate::gateway) fn answer(gateway: &Gateway, named: Option<&str>, request: &Request) -> Response {
    match ClientPage::of(gateway, named, request) {
        Err(refusal) => refusal.into_response(),
        Ok(page) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            page.cors.add_preflight_to(response.headers_mut());
            response.extensions_mut().insert(KeepOpen { is_known: false });
            response
        }
    }
}
