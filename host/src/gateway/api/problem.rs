//! Everything that a call can be refused with: RFC 9457 problem details, from one table.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::backplane::Unavailable;

/// What every problem's `type` begins with. A stable name relative to the API, not a page.
const TYPES: &str = "/problems/";

/// One kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// A `snake_case_word`; with hyphens, the end of its type.
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// Seconds after which trying again makes sense.
    retry_after: Option<u16>,
}

const fn kind(code: &'static str, status: u16, title: &'static str) -> Kind {
    Kind {
        code,
        status,
        title,
        retry_after: None,
    }
}

const fn passing(code: &'static str, status: u16, title: &'static str) -> Kind {
    Kind {
        retry_after: Some(1),
        ..kind(code, status, title)
    }
}

pub(super) const BAD_JSON: Kind = kind("bad_json", 400, "The body is not JSON");
pub(super) const BAD_PATH: Kind = kind("bad_path", 400, "The path names what cannot be");
pub(super) const BAD_QUERY: Kind = kind("bad_query", 400, "The query is not what this call takes");
pub(super) const BAD_KEY: Kind = kind("bad_key", 401, "The call has no key that is known");
pub(super) const NO_KEYS: Kind = kind("no_keys", 403, "The admin API has no keys");
pub(super) const MISSING_SCOPE: Kind = kind("missing_scope", 403, "The key is not good for this");
pub(super) const OTHER_TENANT: Kind = kind("other_tenant", 403, "The key is not good for this tenant");
pub(super) const UNKNOWN_TENANT: Kind = kind("unknown_tenant", 404, "There is no such tenant");
pub(super) const UNKNOWN_ROUTE: Kind = kind("unknown_route", 404, "There is no such call");
pub(super) const BAD_METHOD: Kind = kind("method_not_allowed", 405, "The call has another method");
pub(super) const SLOW_BODY: Kind = kind("slow_body", 408, "The body did not come in time");
pub(super) const NO_HISTORY: Kind = kind("no_history", 409, "The channel keeps no history");
pub(super) const NO_PRESENCE: Kind = kind("no_presence", 409, "The channel keeps no presence");
pub(super) const UNRECOVERABLE: Kind = kind(
    "unrecoverable_position",
    410,
    "The history does not reach back to this position",
);
pub(super) const TOO_LARGE: Kind = kind("too_large", 413, "The message or the body is too large");
pub(super) const BAD_BODY: Kind = kind("bad_body", 422, "The body is not what this call takes");
pub(super) const INTERNAL: Kind = kind("internal", 500, "The broker failed");
pub(super) const NO_AUDIT: Kind = kind("audit_unavailable", 500, "The call cannot be written down");
pub(super) const BUSY: Kind = passing("busy", 503, "Too many calls at once");
pub(super) const UNAVAILABLE: Kind = passing("backplane_unavailable", 503, "The backplane does not answer");
pub(super) const UNREACHED: Kind = kind("nodes_unreachable", 504, "Some nodes did not answer");
pub(super) const TOO_LATE: Kind = kind("deadline", 504, "It took too long");

/// All of them, for the document and the tests.
pub(super) const ALL: [Kind; 22] = [
    BAD_JSON,
    BAD_PATH,
    BAD_QUERY,
    BAD_KEY,
    NO_KEYS,
    MISSING_SCOPE,
    OTHER_TENANT,
    UNKNOWN_TENANT,
    UNKNOWN_ROUTE,
    BAD_METHOD,
    SLOW_BODY,
    NO_HISTORY,
    NO_PRESENCE,
    UNRECOVERABLE,
    TOO_LARGE,
    BAD_BODY,
    INTERNAL,
    NO_AUDIT,
    BUSY,
    UNAVAILABLE,
    UNREACHED,
    TOO_LATE,
];

impl Kind {
    /// Stable, whatever the title says.
    pub fn type_reference(self) -> String {
        format!("{TYPES}{}", self.code.replace('_', "-"))
    }

    /// This kind, and what it was here.
    pub fn because(self, detail: impl Into<String>) -> Problem {
        Problem {
            kind: self,
            detail: detail.into(),
            more: Map::new(),
        }
    }
}

/// Why a call was refused, or what became of it instead.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub kind: Kind,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    pub fn unknown_route() -> Self {
        UNKNOWN_ROUTE.because("GET /api/v1/openapi.json tells what there is")
    }

    pub fn bad_method() -> Self {
        BAD_METHOD.because("the Allow header names the methods that there are")
    }

    /// Adds a member of its own to the object.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }

    /// As a value among others, where a part of a call failed.
    pub fn as_part(&self) -> (&'static str, &str) {
        (self.kind.code, &self.detail)
    }

    pub fn response(&self) -> Response {
        let Kind {
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

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        tracing::warn!(%unavailable, "an admin call was refused");
        UNAVAILABLE.because("the broker cannot do this now; try again in a moment")
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
