//! The lines of the audit log about one call. Every call has a line `call` when it is over; if that cannot be written, a
//! reading call is not answered. A call that changes something has a line `intent` before, and is not carried out
//! without it. So nothing is changed or read that the log does not know of.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::context::Api;
use super::problem::{NO_AUDIT, ProblemDetails};
use super::strangers::{CallSource, Seen};
use wall_clock::now_ms;

/// Characters that are logged of a path that belongs to no route, at most.
const PATH_CHARS: usize = 256;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

/// The line of the audit log about calls that have none of their own.
#[derive(Serialize)]
struct Summary {
    /// Milliseconds since the Unix epoch.
    ts: u64,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: CallSource,
    calls: u64,
}

impl Record {
    /// A call of `route`. Without a route the path is logged in its place.
    pub(super) fn new(request: &Request, route: Option<&str>) -> Self {
        let path = || request.uri().path().chars().take(PATH_CHARS).collect();
        Self {
            id: format!("{:016x}", getrandom::u64().unwrap_or_default()),
            begin: Instant::now(),
            remote: request.extensions().get::<SocketAddr>().copied(),
            method: request.method().to_string(),
            route: route.map_or_else(path, str::to_owned),
            key: None,
            tenant: None,
            place: None,
            params: Map::new(),
            intended: false,
        }
    }

    /// Adds the fields of a part of the request.
    pub(super) fn note(&mut self, part: &impl Serialize) {
        if let Ok(Value::Object(fields)) = serde_json::to_value(part) {
            self.params.extend(fields);
        }
    }

    /// Writes the line that must be there before something is changed.
    pub(super) fn intend(&mut self, api: &Api) -> Result<(), ProblemDetails> {
        self.write(api, "intent", None).map_err(cannot)?;
        self.intended = true;
        Ok(())
    }

    /// Writes the last line. If that fails, the error is the answer, except after a change: that is done and has its first
    /// line, and an error would make the caller do it again.
    pub(super) fn conclude(&self, api: &Api, status: u16, problem: Option<&str>) -> Result<(), ProblemDetails> {
        match self.write(api, "call", Some((status, problem))) {
            Err(error) if self.intended => {
                tracing::error!(%error, call = self.id, status, "the end of a call is not in the audit log");
                Ok(())
            }
            outcome => outcome.map_err(cannot),
        }
    }

    fn write(&self, api: &Api, event: &'static str, outcome: Option<(u16, Option<&str>)>) -> io::Result<()> {
        let elapsed = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        api.audit.write(&AuditLine {
            ts: now_ms(),
            event,
            call: &self.id,
            key: self.key.as_deref(),
            remote: self.remote,
            method: &self.method,
            route: &self.route,
            tenant: self.tenant.as_deref(),
            params: &self.params,
            status: outcome.map(|(status, _)| status),
            problem: outcome.and_then(|(_, problem)| problem),
            duration_ms: outcome.map(|_| elapsed),
        })
    }
}

fn cannot(error: io::Error) -> ProblemDetails {
    tracing::error!(%error, "an admin call cannot be written to the audit log, and is not answered");
    NO_AUDIT.because("the audit log takes no line; nothing was changed or read")
}

/// Counts a call without a good key from `remote`. True: it is one of few, to be recorded.
pub(super) fn is_one_of_few(api: &Arc<Api>, remote: Option<SocketAddr>) -> bool {
    match api.strangers.count(remote, Instant::now()) {
        Seen::Few => true,
        Seen::Over => false,
        Seen::FirstOver(source, until) => {
            tokio::spawn(sum_up(api.clone(), source, until));
            false
        }
    }
}

async fn sum_up(api: Arc<Api>, source: CallSource, until: Instant) {
    sleep_until(until).await;
    let summary = Summary {
        ts: now_ms(),
        event: "refused",
        remote: source,
        calls: api.strangers.end(source),
    };
    if let Err(error) = api.audit.write(&summary) {
        tracing::error!(%error, calls = summary.calls, "refused admin calls are not in the audit log");
    }
}
