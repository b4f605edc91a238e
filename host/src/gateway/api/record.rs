//! The lines of the audit log about one call. Every call has a line `call` when it is over; if that cannot be written, a
//! reading call is not answered. A call that changes something has a line `intent` before, and is not carried out
//! without it. So nothing is changed or read that the log does not know of: of too many calls it knows the number.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::call_windows::Seen;
use super::context::Api;
use super::key_lines::KeyCall;
use super::params::shortened;
use super::problem::{NO_AUDIT, ProblemDetails};
use super::strangers::CallSource;
use crate::observe::AuditText;
use wall_clock::now_ms;

/// Characters that are logged of a path that belongs to no route, of a method, or of a tenant's name, at most.
const CHARS: usize = 256;

/// What is known of one call so far.
pub(super) struct Record {
    id: String,
    begin: Instant,
    pub remote: Option<SocketAddr>,
    method: String,
    route: String,
    pub key: Option<Arc<str>>,
    pub tenant: Option<String>,
    /// The call's place among those of its key, until its answer is written.
    pub place: Option<OwnedSemaphorePermit>,
    /// The fields of the path, the query and the body.
    pub params: Map<String, Value>,
    /// Whether the line `intent` is written.
    intended: bool,
    /// What is called, if it is an endpoint.
    endpoint: Option<CalledEndpoint>,
    /// Whether it has lines of its own, once that is decided.
    has_lines: Option<bool>,
}

/// What is called.
#[derive(Clone, Copy)]
pub(super) struct CalledEndpoint {
    pub name: &'static str,
    pub route: &'static str,
    pub changes: bool,
}

#[derive(Serialize)]
struct AuditLine<'a> {
    /// Milliseconds since the Unix epoch.
    ts: u64,
    event: &'static str,
    /// An id that both lines of a call have.
    call: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<SocketAddr>,
    method: &'a str,
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    params: &'a Map<String, Value>,
    /// Bytes of all parameters, where they are cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    params_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

/// The line of the audit log about calls that have none of their own.
#[derive(Serialize)]
struct Summary<'a> {
    /// Milliseconds since the Unix epoch.
    ts: u64,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: CallSource,
    calls: u64,
}

impl Record {
    /// A call of an endpoint. Of another one the path is logged in place of the route.
    pub(super) fn new(request: &Request, endpoint: Option<CalledEndpoint>) -> Self {
        let path = || cut(request.uri().path());
        Self {
            id: format!("{:016x}", getrandom::u64().unwrap_or_default()),
            begin: Instant::now(),
            remote: request.extensions().get::<SocketAddr>().copied(),
            method: cut(request.method().as_str()),
            route: endpoint.map_or_else(path, |endpoint| endpoint.route.to_owned()),
            key: None,
            tenant: None,
            place: None,
            params: Map::new(),
            intended: false,
            endpoint,
            has_lines: None,
        }
    }

    /// Whether the call has lines of its own, or is one of too many.
    fn has_lines(&mut self, api: &Arc<Api>) -> bool {
        if let Some(decided) = self.has_lines {
            return decided;
        }
        let is_one_of_few = match (&self.key, self.endpoint) {
            (Some(key), Some(endpoint)) => is_one_of_few_with(api, (key.clone(), endpoint.name), endpoint.changes),
            _ => is_one_of_few(api, self.remote),
        };
        // What cannot be written down is not done, also where it would be in a summary.
        let decided = is_one_of_few || (self.key.is_some() && api.audit.failure().is_some());
        if !decided {
            api.audit.left_out();
        }
        self.has_lines = Some(decided);
        decided
    }

    /// Adds the fields of a part of the request.
    pub(super) fn note(&mut self, part: &impl Serialize) {
        if let Ok(Value::Object(fields)) = serde_json::to_value(part) {
            self.params.extend(fields);
        }
    }

    /// Writes the line that must be there before something is changed.
    pub(super) async fn intend(&mut self, api: &Arc<Api>) -> Result<(), ProblemDetails> {
        if !self.has_lines(api) {
            return Ok(());
        }
        api.audit.write(self.line("intent", None)).await.map_err(cannot)?;
        self.intended = true;
        Ok(())
    }

    /// Writes the last line. If that fails, the error is the answer, except after a change: that is done and has its first
    /// line, and an error would make the caller do it again.
    pub(super) async fn conclude(
        &mut self,
        api: &Arc<Api>,
        status: u16,
        problem: Option<&str>,
    ) -> Result<(), ProblemDetails> {
        if !self.has_lines(api) {
            return Ok(());
        }
        let line = self.line("call", Some((status, problem)));
        if !self.intended {
            return api.audit.write(line).await.map_err(cannot);
        }
        if let Err(error) = api.audit.write_owed(line).await {
            tracing::error!(%error, call = self.id, status, "the end of a call is not in the audit log, or late");
        }
        Ok(())
    }

    /// The line of an event. If it would be too long, its parameters are cut, or left out.
    fn line(&self, event: &'static str, outcome: Option<(u16, Option<&str>)>) -> AuditText {
        let elapsed = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let ts = now_ms();
        let with = |params: &Map<String, Value>, params_bytes| {
            let line = AuditText::of(&AuditLine {
                ts,
                event,
                call: &self.id,
                key: self.key.as_deref(),
                remote: self.remote,
                method: &self.method,
                route: &self.route,
                tenant: self.tenant.as_deref(),
                params,
                params_bytes,
                status: outcome.map(|(status, _)| status),
                problem: outcome.and_then(|(_, problem)| problem),
                duration_ms: outcome.map(|_| elapsed),
            });
            line.expect("it is JSON")
        };
        if let Some(line) = with(&self.params, None) {
            return line;
        }
        let bytes = serde_json::to_vec(&self.params).map_or(0, |json| json.len());
        with(&shortened(&self.params), Some(bytes))
            .or_else(|| with(&Map::new(), Some(bytes)))
            .expect("its other fields are bounded")
    }
}

/// The beginning of a text that whoever calls chooses.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(CHARS).collect()
}

fn cannot(error: io::Error) -> ProblemDetails {
    tracing::error!(%error, "an admin call cannot be written to the audit log, and is not answered");
    NO_AUDIT.because("the audit log takes no line; nothing was changed or read")
}

/// Counts a call without a good key from `remote`. True: it is one of few, to be recorded.
fn is_one_of_few(api: &Arc<Api>, remote: Option<SocketAddr>) -> bool {
    match api.strangers.count(remote, Instant::now()) {
        Seen::Few => true,
        Seen::Over => false,
        Seen::FirstOver(source, until) => {
            let api = api.clone();
            tokio::spawn(async move {
                sleep_until(until).await;
                let calls = api.strangers.end(source);
                sum_up(&api, "refused", None, source, calls).await;
            });
            false
        }
    }
}

/// Counts a call with a good key. True: it is one of few, to be recorded.
fn is_one_of_few_with(api: &Arc<Api>, call: KeyCall, changes: bool) -> bool {
    match api.key_lines.count(call, changes, Instant::now()) {
        Seen::Few => true,
        Seen::Over => false,
        Seen::FirstOver(call, until) => {
            let api = api.clone();
            tokio::spawn(async move {
                sleep_until(until).await;
                let calls = api.key_lines.end(call.clone());
                sum_up(&api, "left_out", call, None, calls).await;
            });
            false
        }
    }
}

/// Writes how many calls have no line of their own so far, because nobody will be here when the minute is over.
pub(super) async fn sum_up_all(api: &Api) {
    for (source, calls) in api.strangers.end_all() {
        sum_up(api, "refused", None, source, calls).await;
    }
    for (call, calls) in api.key_lines.end_all() {
        sum_up(api, "left_out", call, None, calls).await;
    }
}

/// Writes the line about calls that have none of their own, if there are any.
async fn sum_up(api: &Api, event: &'static str, call: Option<KeyCall>, remote: CallSource, calls: u64) {
    if calls == 0 {
        return;
    }
    let summary = AuditText::of(&Summary {
        ts: now_ms(),
        event,
        key: call.as_ref().map(|(key, _)| &**key),
        endpoint: call.as_ref().map(|(_, endpoint)| *endpoint),
        remote,
        calls,
    });
    let summary = summary.expect("it is JSON").expect("its fields are bounded");
    if let Err(error) = api.audit.write_owed(summary).await {
        tracing::error!(%error, event, calls, "a number of admin calls is not in the audit log, or late");
    }
}
