//! What an endpoint of the API is: its place, what it takes and gives as types, and what it does.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use axum::routing::MethodFilter;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::problem::Problem;
use super::{Api, call};
use crate::config::{Scope, Tenant};

/// How an endpoint is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    pub fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// As `OpenAPI` writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }

    /// Whether what is asked is in a body.
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put)
    }

    /// Whether something is other than before when it is done: such calls are written down before, too.
    pub fn changes(self) -> bool {
        self != Self::Get
    }
}

/// What can be asked: it is read from a request, described in the document, and written to the audit log.
/// What must not be written there is `skip_serializing`.
pub(super) trait Asked: DeserializeOwned + Serialize + JsonSchema + Send {}

impl<T: DeserializeOwned + Serialize + JsonSchema + Send> Asked for T {}

/// One thing that an operator can ask of a tenant.
pub(super) trait Endpoint: Sized + Send + 'static {
    /// Its name in the document.
    const NAME: &'static str;
    const VERB: Verb;
    /// Under the API's prefix. Has a `{tenant}`.
    const PATH: &'static str;
    /// One sentence.
    const SUMMARY: &'static str;
    /// What a key has to be good for.
    const SCOPE: Scope;
    /// What the path names beside the tenant.
    type Path: Asked;
    type Query: Asked;
    type Body: Asked;
    type Answer: Serialize + JsonSchema + Send;

    /// Does it, by `call.until` if it can.
    fn carry_out(api: Arc<Api>, call: Call<Self>) -> impl Future<Output = Result<Self::Answer, Problem>> + Send;
}

/// A call that may be carried out.
pub(super) struct Call<E: Endpoint> {
    pub tenant: Arc<Tenant>,
    pub path: E::Path,
    pub query: E::Query,
    pub body: E::Body,
    /// Nobody waits for the answer any longer.
    pub until: Instant,
}

/// What takes nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// An endpoint as a row of the table.
pub(super) struct Route {
    pub name: &'static str,
    pub verb: Verb,
    pub path: &'static str,
    pub summary: &'static str,
    pub scope: Scope,
    pub path_schema: SchemaOf,
    pub query_schema: SchemaOf,
    pub body_schema: SchemaOf,
    pub answer_schema: SchemaOf,
    pub serve: fn(Arc<Api>, Request) -> Answer,
}

impl Route {
    pub fn of<E: Endpoint>() -> Self {
        Self {
            name: E::NAME,
            verb: E::VERB,
            path: E::PATH,
            summary: E::SUMMARY,
            scope: E::SCOPE,
            path_schema: E::Path::json_schema,
            query_schema: E::Query::json_schema,
            body_schema: E::Body::json_schema,
            answer_schema: |generator| generator.subschema_for::<E::Answer>(),
            serve: |api, request| Box::pin(call::serve::<E>(api, request)),
        }
    }
}
