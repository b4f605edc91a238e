//! Orders to all nodes: all of them carry the order out, or the problem names those that did not answer.

use serde_json::{Value, json};

use crate::control::{self, NodeReport, Order, Report};
use crate::gateway::api::context::Api;
use crate::gateway::api::problem::{ProblemDetails, ProblemKind, UNAVAILABLE, UNREACHED};
use registry::{BanKind, BansFull};
use schemars::JsonSchema;
use serde::Serialize;

/// Problems of a call that all nodes take part in.
pub(super) const PROBLEMS: &[ProblemKind] = &[UNAVAILABLE, UNREACHED];

/// How much an order changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Affected {
    /// Connections or subscriptions that were ended, or nodes on which a ban was set or lifted.
    pub affected: u64,
}

/// Sends an order to all nodes. `answers` says whether a report is one to this order.
pub(super) async fn ask(
    api: &Api,
    order: Order,
    answers: fn(&Report) -> bool,
) -> Result<Vec<NodeReport>, ProblemDetails> {
    let reports = api.bus.ask(order).await?;
    let missing: Vec<Value> = control::unreached(&reports, answers)
        .map(|(node, error)| json!({ "node": node, "error": error }))
        .collect();
    if missing.is_empty() {
        return Ok(reports);
    }
    let done: Vec<Value> = reports.iter().filter_map(|report| part(report, answers)).collect();
    let detail = "the other nodes did it, or answered; it is not known whether these will";
    Err(UNREACHED
        .because(detail)
        .with("nodes", missing.into())
        .with("done", done.into()))
}

/// Sends an order whose answer is a count.
pub(super) async fn have_done(api: &Api, order: Order) -> Result<Affected, ProblemDetails> {
    let reports = ask(api, order, |report| matches!(report, Report::Done { .. })).await?;
    Ok(Affected {
        affected: control::done(&reports),
    })
}

/// Sends an order about a ban; `full` is the problem where the tenant has as many of this kind as it may.
pub(super) async fn have_banned(
    api: &Api,
    order: Order,
    (kind, full): (BanKind, ProblemKind),
) -> Result<Affected, ProblemDetails> {
    let answers = |report: &Report| matches!(report, Report::Done { .. } | Report::BansFull { .. });
    let reports = ask(api, order, answers).await?;
    for report in &reports {
        if let Ok(Report::BansFull { limit }) = report.result {
            return Err(full.because(BansFull { kind, limit }.to_string()));
        }
    }
    Ok(Affected {
        affected: control::done(&reports),
    })
}

/// What a node that answered did.
fn part(report: &NodeReport, answers: fn(&Report) -> bool) -> Option<Value> {
    match &report.result {
        Ok(Report::Done { affected }) => Some(json!({ "node": report.node, "affected": affected })),
        Ok(answer) if answers(answer) => Some(json!({ "node": report.node })),
        _ => None,
    }
}
