//! An endpoint as a row of the table from which the router and the document are made.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::answer::CallAnswer;
use super::call;
use super::call_tenant::CallTenant;
use super::context::Api;
use super::endpoint::{self, BodyMedia, Endpoint, Verb};
use super::problem::ProblemKind;
use super::request::RequestReader;
use config::Scope;

type Served = Pin<Box<dyn Future<Output = Response> + Send>>;
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

pub(super) struct Route {
    pub name: &'static str,
    pub verb: Verb,
    pub path: &'static str,
    pub summary: &'static str,
    pub scope: Scope,
    pub problems: Vec<ProblemKind>,
    /// What the tenant's name in the path may be.
    pub tenant_schema: fn() -> Value,
    pub path_schema: SchemaOf,
    pub query_schema: SchemaOf,
    pub body_schema: SchemaOf,
    pub answer_schema: SchemaOf,
    pub body: BodyMedia,
    /// Whether it reads the headers of a [`super::precondition::Precondition`].
    pub conditional: bool,
    pub answer_media: &'static str,
    /// Whether the answer has an `ETag`.
    pub answer_has_version: bool,
    /// Makes what answers its calls.
    pub server: fn() -> CallServer,
}

/// Answers the calls of an endpoint.
pub(super) type CallServer = Arc<dyn Fn(Arc<Api>, Request) -> Served + Send + Sync>;

impl Route {
    pub(super) fn of<E: Endpoint>() -> Self {
        Self {
            name: E::NAME,
            verb: E::VERB,
            path: E::PATH,
            summary: E::SUMMARY,
            scope: E::SCOPE,
            problems: endpoint::problems::<E>(),
            tenant_schema: E::Tenant::schema,
            path_schema: E::Path::json_schema,
            query_schema: E::Query::json_schema,
            body_schema: E::Body::json_schema,
            answer_schema: E::Answer::schema,
            body: E::BODY,
            conditional: E::CONDITIONAL,
            answer_media: E::Answer::MEDIA,
            answer_has_version: E::Answer::HAS_VERSION,
            server: || {
                let reader = Arc::new(RequestReader::<E>::new());
                Arc::new(move |api, request| Box::pin(call::serve(reader.clone(), api, request)))
            },
        }
    }
}
