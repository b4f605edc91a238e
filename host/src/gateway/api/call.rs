//! The way of every call, from the request to the answer and its line in the audit log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::endpoint::{Call, Endpoint};
use super::problem::{
    BAD_BODY, BAD_JSON, BAD_PATH, BAD_QUERY, BUSY, INTERNAL, Problem, SLOW_BODY, TOO_LARGE, TOO_LATE, UNKNOWN_TENANT,
};
use super::record::Record;
use super::{Api, key};

/// How long a call may take, from its head to its answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Bytes of a body at most, beside one message as large as the tenant allows.
const BODY_BYTES: usize = 1_048_576;

/// What a call of no endpoint is counted as.
const NO_ENDPOINT: &str = "none";

/// Answers a call of an endpoint.
pub(super) async fn serve<E: Endpoint>(api: Arc<Api>, request: Request) -> Response {
    // A task of its own: a client that hangs up does not stop half way what it began.
    let call = tokio::spawn(async move {
        let mut record = Record::new(&request, Some(E::PATH));
        let outcome = run::<E>(&api, request, &mut record).await;
        let concluded = match &outcome {
            Ok(_) => record.conclude(&api, StatusCode::OK.as_u16(), None),
            Err(problem) => record.conclude(&api, problem.kind.status, Some(problem.kind.code)),
        };
        let response = match concluded.and(outcome) {
            Ok(json) => answer(json),
            Err(problem) => problem.response(),
        };
        api.metrics.api_called(E::NAME, response.status().as_u16());
        response
    });
    call.await
        .unwrap_or_else(|_| INTERNAL.because("the log says more").response())
}

/// Answers a call of no endpoint.
pub(super) fn refuse(api: &Api, request: &Request, problem: Problem) -> Response {
    let record = Record::new(request, None);
    let response = match record.conclude(api, problem.kind.status, Some(problem.kind.code)) {
        Ok(()) => problem.response(),
        Err(unwritten) => unwritten.response(),
    };
    api.metrics.api_called(NO_ENDPOINT, response.status().as_u16());
    response
}

async fn run<E: Endpoint>(api: &Arc<Api>, request: Request, record: &mut Record) -> Result<Vec<u8>, Problem> {
    let Ok(_place) = api.places.clone().try_acquire_owned() else {
        return Err(BUSY.because("try again in a moment"));
    };
    let until = Instant::now() + DEADLINE;
    let (mut parts, body) = request.into_parts();
    let key = api.keys.load().of(&parts.headers)?;
    record.key = Some(key.name.clone());
    let mut path = path_of(&mut parts).await?;
    let Some(Value::String(tenant)) = path.remove("tenant") else {
        return Err(UNKNOWN_TENANT.because("the path names no tenant"));
    };
    record.tenant = Some(tenant.clone());
    key::check(&key, E::SCOPE, &tenant)?;
    let Some(tenant) = api.gateway.directory.load().named(&tenant).cloned() else {
        return Err(UNKNOWN_TENANT.because(format!("the config has no tenant {tenant:?}")));
    };
    let path: E::Path =
        serde_json::from_value(Value::Object(path)).map_err(|error| BAD_PATH.because(error.to_string()))?;
    record.note(&path);
    let Query(query) =
        Query::<E::Query>::try_from_uri(&parts.uri).map_err(|error| BAD_QUERY.because(error.body_text()))?;
    record.note(&query);
    let body: E::Body = if E::VERB.has_body() {
        let limit = BODY_BYTES + tenant.limits.message_bytes;
        let bytes = timeout_at(until, read(Request::from_parts(parts, body), limit)).await;
        parse(&bytes.map_err(|_| SLOW_BODY.because(format!("it took more than {DEADLINE:?}")))??)?
    } else {
        parse(b"")?
    };
    record.note(&body);
    if E::VERB.changes() {
        record.intend(api)?;
    }
    let call = Call {
        tenant,
        path,
        query,
        body,
        until,
    };
    let answer = timeout_at(until, E::carry_out(api.clone(), call)).await;
    let answer = answer.map_err(|_| TOO_LATE.because(late::<E>()))??;
    serde_json::to_vec(&answer).map_err(|error| INTERNAL.because(error.to_string()))
}

fn late<E: Endpoint>() -> &'static str {
    if E::VERB.changes() {
        "it is not known whether it was done"
    } else {
        "try again in a moment"
    }
}

/// What the path names, decoded.
async fn path_of(parts: &mut Parts) -> Result<Map<String, Value>, Problem> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|error| BAD_PATH.because(error.to_string()))?;
    let named = params.iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    Ok(named.collect())
}

async fn read(mut request: Request, limit: usize) -> Result<Bytes, Problem> {
    DefaultBodyLimit::max(limit).apply(&mut request);
    Bytes::from_request(request, &()).await.map_err(|error| match error {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            TOO_LARGE.because(format!("a body has at most {limit} bytes here"))
        }
        error => BAD_JSON.because(error.to_string()),
    })
}

/// No body is as an empty object.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        let kind = if error.is_data() { BAD_BODY } else { BAD_JSON };
        kind.because(error.to_string())
    })
}

fn answer(json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
