//! What an endpoint is: its method and path, what it takes and answers as types, and what it does.

use std::sync::Arc;

use axum::routing::MethodFilter;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::answer::CallAnswer;
use super::call_tenant::CallTenant;
use super::context::Api;
use super::precondition::Precondition;
use super::problem::{self, BAD_HEADER, BAD_JSON, ProblemDetails, ProblemKind};
use config::Scope;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    pub(super) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// As `OpenAPI` writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }

    pub(super) fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put)
    }

    /// Whether the call changes something: such a call is in the audit log before it is carried out.
    pub(super) fn changes(self) -> bool {
        self != Self::Get
    }
}

/// A part of a request: read from it, described in the document, and written to the audit log.
/// What must not be in the log is `skip_serializing`.
pub(super) trait RequestPart: DeserializeOwned + Serialize + JsonSchema + Send {}

impl<T: DeserializeOwned + Serialize + JsonSchema + Send> RequestPart for T {}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyMedia {
    Json,
    /// A document, of so many bytes at most. It is kept as a text, and what is wrong with it is the endpoint's to say.
    Toml {
        bytes: usize,
    },
}

/// One call of the API.
pub(super) trait Endpoint: Sized + Send + 'static {
    /// Its `operationId` in the document.
    const NAME: &'static str;
    const VERB: Verb;
    /// Under the API's prefix. Has a `{tenant}`.
    const PATH: &'static str;
    /// What the call does, in one sentence.
    const SUMMARY: &'static str;
    /// The scope that the key needs.
    const SCOPE: Scope;
    /// Problems of this endpoint, beside those that every call may meet.
    const PROBLEMS: &'static [ProblemKind];
    const BODY: BodyMedia = BodyMedia::Json;
    /// Whether the caller may say which version the call is about.
    const CONDITIONAL: bool = false;
    /// Whether those of one key wait for each other: so they are not many among those of other keys that wait.
    const IN_TURN: bool = false;
    type Tenant: CallTenant;
    /// What the path names beside the tenant.
    type Path: RequestPart;
    type Query: RequestPart;
    type Body: RequestPart;
    type Answer: CallAnswer;

    /// Carries the call out, by `call.until` if it can.
    fn carry_out(
        api: Arc<Api>,
        call: AdminCall<Self>,
    ) -> impl Future<Output = Result<Self::Answer, ProblemDetails>> + Send;
}

/// A call whose key, tenant and parameters have been checked.
pub(super) struct AdminCall<E: Endpoint> {
    pub tenant: E::Tenant,
    pub path: E::Path,
    pub query: E::Query,
    pub body: E::Body,
    /// Nothing, if the endpoint is not conditional.
    pub precondition: Precondition,
    /// When the caller is answered, whether the call is done or not.
    pub until: Instant,
}

/// A part of a request that has no fields.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Every problem that a call of `E` may be answered with.
pub(super) fn problems<E: Endpoint>() -> Vec<ProblemKind> {
    let body = if E::VERB.has_body() {
        &problem::OF_BODIES[..]
    } else {
        &[]
    };
    let json = (E::VERB.has_body() && E::BODY == BodyMedia::Json).then_some(BAD_JSON);
    let header = E::CONDITIONAL.then_some(BAD_HEADER);
    let mut problems = [&problem::OF_ALL_CALLS[..], body, E::Tenant::PROBLEMS, E::PROBLEMS].concat();
    problems.extend(json.into_iter().chain(header));
    problems
}
