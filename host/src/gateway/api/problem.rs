//! Everything that a call can be refused with: RFC 9457 problem details, from one table.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use backplane::{Rejection, Unavailable};

/// The beginning of every problem's `type`, which is a stable name and not the address of a page.
const TYPES: &str = "/problems/";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProblemKind {
    /// In `snake_case`. The problem's `type` ends with the same in hyphens.
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// Seconds after which trying again makes sense.
    retry_after: Option<u16>,
}

const fn kind(code: &'static str, status: u16, title: &'static str) -> ProblemKind {
    ProblemKind {
        code,
        status,
        title,
        retry_after: None,
    }
}

const fn passing(code: &'static str, status: u16, title: &'static str) -> ProblemKind {
    ProblemKind {
        retry_after: Some(1),
        ..kind(code, status, title)
    }
}

pub(super) const BAD_JSON: ProblemKind = kind("bad_json", 400, "The body is not JSON");
pub(super) const BAD_PATH: ProblemKind = kind("bad_path", 400, "A name in the path is not valid");
pub(super) const BAD_HEADER: ProblemKind = kind("bad_header", 400, "A header is not what this call takes");
pub(super) const BAD_QUERY: ProblemKind = kind("bad_query", 400, "The query is not what this call takes");
pub(super) const BAD_KEY: ProblemKind = kind("bad_key", 401, "The call has no key that is known");
pub(super) const NO_KEYS: ProblemKind = kind("no_keys", 403, "The admin API has no keys");
pub(super) const MISSING_SCOPE: ProblemKind = kind("missing_scope", 403, "The key is not good for this");
pub(super) const OTHER_TENANT: ProblemKind = kind("other_tenant", 403, "The key is not good for this tenant");
pub(super) const OTHER_ADDRESS: ProblemKind = kind("other_address", 403, "The key is not good from there");
pub(super) const UNKNOWN_TENANT: ProblemKind = kind("unknown_tenant", 404, "There is no such tenant");
pub(super) const UNKNOWN_ROUTE: ProblemKind = kind("unknown_route", 404, "There is no such call");
pub(super) const BAD_METHOD: ProblemKind = kind("method_not_allowed", 405, "The call has another method");
pub(super) const SLOW_BODY: ProblemKind = kind("slow_body", 408, "The body did not come in time");
pub(super) const NO_HISTORY: ProblemKind = kind("no_history", 409, "The channel keeps no history");
pub(super) const WRONG_CONTENT: ProblemKind = kind("wrong_content", 409, "The data is not what the channel takes");
pub(super) const NO_PRESENCE: ProblemKind = kind("no_presence", 409, "The channel keeps no presence");
pub(super) const TOO_MANY_BANS: ProblemKind = kind("too_many_bans", 409, "The tenant has as many bans as it may");
pub(super) const TOO_MANY_REVOCATIONS: ProblemKind = kind(
    "too_many_revocations",
    409,
    "The tenant has as many revocations as it may",
);
pub(super) const LIMIT_EXCEEDED: ProblemKind = kind("limit_exceeded", 409, "The tenant has as much as it may");
pub(super) const CONFIGURED_TENANT: ProblemKind =
    kind("configured_tenant", 409, "The tenant is one of the node's own config");
pub(super) const TOO_MANY_TENANTS: ProblemKind = kind("too_many_tenants", 409, "As many tenants are pushed as may be");
pub(super) const UNRECOVERABLE: ProblemKind = kind(
    "unrecoverable_position",
    410,
    "The history does not reach back to this position",
);
pub(super) const OTHER_VERSION: ProblemKind = kind("other_version", 412, "Another version is there");
pub(super) const TOO_LARGE: ProblemKind = kind("too_large", 413, "The message or the body is too large");
pub(super) const BAD_BODY: ProblemKind = kind("bad_body", 422, "The body is not what this call takes");
pub(super) const BAD_TENANT: ProblemKind = kind("bad_tenant", 422, "The tenant does not check out");
pub(super) const INTERNAL: ProblemKind = kind("internal", 500, "The broker failed");
pub(super) const NO_AUDIT: ProblemKind = kind("audit_unavailable", 500, "The audit log cannot be written");
pub(super) const BUSY: ProblemKind = passing("busy", 503, "Too many calls at once");
pub(super) const UNAVAILABLE: ProblemKind = passing("backplane_unavailable", 503, "The backplane does not answer");
pub(super) const UNREACHED: ProblemKind = kind("nodes_unreachable", 504, "Some nodes did not answer");
pub(super) const TOO_LATE: ProblemKind = kind("deadline", 504, "It took too long");

/// Problems that every call of an endpoint may meet.
pub(super) const OF_ALL_CALLS: [ProblemKind; 11] = [
    BAD_PATH,
    BAD_QUERY,
    BAD_KEY,
    NO_KEYS,
    MISSING_SCOPE,
    OTHER_TENANT,
    OTHER_ADDRESS,
    INTERNAL,
    NO_AUDIT,
    BUSY,
    TOO_LATE,
];

/// Problems that a call with a body may meet besides.
pub(super) const OF_BODIES: [ProblemKind; 3] = [SLOW_BODY, TOO_LARGE, BAD_BODY];

/// All of them, for the document and the tests.
pub(super) const ALL: [ProblemKind; 32] = [
    BAD_JSON,
    BAD_PATH,
    BAD_HEADER,
    BAD_QUERY,
    BAD_KEY,
    NO_KEYS,
    MISSING_SCOPE,
    OTHER_TENANT,
    OTHER_ADDRESS,
    UNKNOWN_TENANT,
    UNKNOWN_ROUTE,
    BAD_METHOD,
    SLOW_BODY,
    NO_HISTORY,
    WRONG_CONTENT,
    NO_PRESENCE,
    TOO_MANY_BANS,
    TOO_MANY_REVOCATIONS,
    LIMIT_EXCEEDED,
    CONFIGURED_TENANT,
    TOO_MANY_TENANTS,
    UNRECOVERABLE,
    OTHER_VERSION,
    TOO_LARGE,
    BAD_BODY,
    BAD_TENANT,
    INTERNAL,
    NO_AUDIT,
    BUSY,
    UNAVAILABLE,
    UNREACHED,
    TOO_LATE,
];

impl ProblemKind {
    /// The `type` of problems of this kind.
    pub(super) fn type_reference(self) -> String {
        format!("{TYPES}{}", self.code.replace('_', "-"))
    }

    /// A problem of this kind; `detail` says what was wrong with this call.
    pub(super) fn because(self, detail: impl Into<String>) -> ProblemDetails {
        ProblemDetails {
            kind: self,
            detail: detail.into(),
            more: Map::new(),
        }
    }
}

/// Why a call failed.
#[derive(Clone, Debug)]
pub(super) struct ProblemDetails {
    pub kind: ProblemKind,
    detail: String,
    more: Map<String, Value>,
}

impl ProblemDetails {
    pub(super) fn unknown_route() -> Self {
        UNKNOWN_ROUTE.because("GET /api/v1/openapi.json tells what there is")
    }

    pub(super) fn bad_method() -> Self {
        BAD_METHOD.because("the Allow header names the methods that there are")
    }

    /// Adds a member that only problems of this kind have.
    #[must_use]
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }

    /// Code and detail, for a call of which only a part failed.
    pub(super) fn as_part(&self) -> (&'static str, &str) {
        (self.kind.code, &self.detail)
    }

    pub(super) fn response(&self) -> Response {
        let ProblemKind {
            code, status, title, ..
        } = self.kind;
        let mut body = json!({
            "type": self.kind.type_reference(),
            "title": title,
            "status": status,
            "detail": self.detail,
            "code": code,
        });
        if let Value::Object(object) = &mut body {
            object.extend(self.more.clone());
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.kind == BAD_KEY {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"sluicegate\""),
            );
        }
        if let Some(seconds) = self.kind.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Unavailable> for ProblemDetails {
    fn from(unavailable: Unavailable) -> Self {
        tracing::warn!(%unavailable, "an admin call was refused");
        UNAVAILABLE.because("the broker cannot do this now; try again in a moment")
    }
}

impl From<Rejection> for ProblemDetails {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Limit(limit) => LIMIT_EXCEEDED.because(limit.to_string()),
            Rejection::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_problem_has_a_name_of_its_own_that_is_documented() {
        let manual = include_str!("../../../../docs/ADMIN.md");
        let codes: HashSet<_> = ALL.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), ALL.len());
        for kind in ALL {
            let row = format!("| {} | `{}` |", kind.status, kind.code);
            assert!(manual.contains(&row), "docs/ADMIN.md has no row {row:?}");
        }
        assert_eq!(UNKNOWN_TENANT.type_reference(), "/problems/unknown-tenant");
    }
}
