//! The steps of every call, from the request to the answer and its line in the audit log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::answer::{AnswerBytes, CallAnswer};
use super::call_tenant::CallTenant;
use super::context::Api;
use super::endpoint::{self, AdminCall, BodyMedia, Endpoint};
use super::held_body;
use super::key::{self, CALLS, KeyPlaces};
use super::precondition::Precondition;
use super::problem::{
    BAD_BODY, BAD_PATH, BUSY, INTERNAL, ProblemDetails, SLOW_BODY, TOO_LARGE, TOO_LATE, UNKNOWN_TENANT,
};
use super::record::{self, CalledEndpoint, Record};
use super::request::RequestReader;
use wall_clock::now_ms;

/// How long a call may take, from its head to its answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Bytes of a body at most, beside one message as large as the tenant allows.
const BODY_BYTES: usize = 1_048_576;

/// The endpoint's name in the metrics for a call of none.
const NO_ENDPOINT: &str = "none";

/// Answers a call of an endpoint.
pub(super) async fn serve<E: Endpoint>(reader: Arc<RequestReader<E>>, api: Arc<Api>, request: Request) -> Response {
    // A task of its own: a client that hangs up does not stop half way what it began.
    let call = tokio::spawn(async move {
        let endpoint = CalledEndpoint {
            name: E::NAME,
            route: E::PATH,
            changes: E::VERB.changes(),
        };
        let mut record = Record::new(&request, Some(endpoint));
        let outcome = run(&reader, &api, request, &mut record).await;
        if let Err(problem) = &outcome {
            debug_assert!(
                endpoint::problems::<E>().contains(&problem.kind),
                "the document does not say that {} may be answered with {}",
                E::NAME,
                problem.kind.code
            );
        }
        let response = conclude(&api, &mut record, E::NAME, outcome).await;
        held_body::hold(response, record.place)
    });
    call.await
        .unwrap_or_else(|_| INTERNAL.because("the log says more").response())
}

/// Answers a call of no endpoint.
pub(super) async fn refuse(api: Arc<Api>, request: Request, problem: ProblemDetails) -> Response {
    let mut record = Record::new(&request, None);
    conclude(&api, &mut record, NO_ENDPOINT, Err(problem)).await
}

/// Records how the call ended, and makes the answer.
async fn conclude(
    api: &Arc<Api>,
    record: &mut Record,
    endpoint: &'static str,
    outcome: Result<AnswerBytes, ProblemDetails>,
) -> Response {
    let (status, problem) = match &outcome {
        Ok(_) => (StatusCode::OK.as_u16(), None),
        Err(problem) => (problem.kind.status, Some(problem.kind.code)),
    };
    // What is called too often is answered all the same; only its record becomes a number.
    let outcome = record.conclude(api, status, problem).await.and(outcome);
    let response = match outcome {
        Ok(answer) => answer.response(),
        Err(problem) => problem.response(),
    };
    api.metrics.api_called(endpoint, response.status().as_u16());
    response
}

async fn run<E: Endpoint>(
    reader: &RequestReader<E>,
    api: &Arc<Api>,
    request: Request,
    record: &mut Record,
) -> Result<AnswerBytes, ProblemDetails> {
    let until = Instant::now() + DEADLINE;
    let (mut parts, body) = request.into_parts();
    let key = api.keys.load().of(&parts.headers)?;
    let KeyPlaces { key, calls, turn } = &*key;
    record.key = Some(key.name.clone());
    key::check_holder(key, record.remote, now_ms())?;
    // Taken after the key is known, so that nobody without one takes any.
    let Ok(place) = calls.clone().try_acquire_owned() else {
        return Err(BUSY.because(format!(
            "{CALLS} calls with this key are pending, or their answers are not read; try again in a moment"
        )));
    };
    record.place = Some(place);
    let mut parameters = path_parameters(&mut parts).await?;
    let Some(Value::String(tenant)) = parameters.remove("tenant") else {
        return Err(UNKNOWN_TENANT.because("the path names no tenant"));
    };
    record.tenant = Some(record::cut(&tenant));
    key::check(key, E::SCOPE, &tenant)?;
    let tenant = E::Tenant::find(api, &tenant)?;
    let path = reader.path(parameters)?;
    record.note(&path);
    let query = reader.query(&parts.uri)?;
    record.note(&query);
    let precondition = match E::CONDITIONAL {
        true => Precondition::of(&parts.headers)?,
        false => Precondition::default(),
    };
    record.note(&precondition);
    let bytes = if E::VERB.has_body() {
        let limit = match E::BODY {
            BodyMedia::Json => BODY_BYTES + tenant.message_bytes(),
            BodyMedia::Toml { bytes } => bytes,
        };
        let bytes = timeout_at(until, read(Request::from_parts(parts, body), limit)).await;
        bytes.map_err(|_| SLOW_BODY.because(format!("it took more than {DEADLINE:?}")))??
    } else {
        Bytes::new()
    };
    let body = reader.body(&bytes)?;
    record.note(&body);
    let _turn = if E::IN_TURN {
        let turn = timeout_at(until, turn.acquire()).await;
        Some(turn.map_err(|_| TOO_LATE.because("nothing was done: other calls with this key go before it"))?)
    } else {
        None
    };
    if E::VERB.changes() {
        record.intend(api).await?;
    }
    let call = AdminCall {
        tenant,
        path,
        query,
        body,
        precondition,
        until,
    };
    let answer = timeout_at(until, E::carry_out(api.clone(), call)).await;
    let answer = answer.map_err(|_| TOO_LATE.because(late::<E>()))??;
    answer.write()
}

fn late<E: Endpoint>() -> &'static str {
    if E::VERB.changes() {
        "it is not known whether it was done"
    } else {
        "try again in a moment"
    }
}

/// The parameters of the path, decoded.
async fn path_parameters(parts: &mut Parts) -> Result<Map<String, Value>, ProblemDetails> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|error| BAD_PATH.because(error.to_string()))?;
    let named = params.iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    Ok(named.collect())
}

async fn read(mut request: Request, limit: usize) -> Result<Bytes, ProblemDetails> {
    DefaultBodyLimit::max(limit).apply(&mut request);
    Bytes::from_request(request, &()).await.map_err(|error| match error {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            TOO_LARGE.because(format!("a body has at most {limit} bytes here"))
        }
        error => BAD_BODY.because(error.to_string()),
    })
}
