//! Orders to all nodes, on behalf of a call: all of them did it, or the call says who did not.

use serde_json::{Value, json};

use crate::control::{self, NodeReport, Order, Report};
use crate::gateway::api::context::Api;
use crate::gateway::api::problem::{ProblemDetails, ProblemKind, UNAVAILABLE, UNREACHED};
use schemars::JsonSchema;
use serde::Serialize;

/// Problems of a call that all nodes take part in.
pub(super) const PROBLEMS: &[ProblemKind] = &[UNAVAILABLE, UNREACHED];

/// What an order met on all nodes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Affected {
    /// Connections, subscriptions or nodes' bans that it met.
    pub affected: u64,
}

/// Has all nodes do it. `answers`: whether a report is one to this order.
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
    let detail = "the other nodes did it, or told; it is not known whether these will";
    Err(UNREACHED
        .because(detail)
        .with("nodes", missing.into())
        .with("done", done.into()))
}

/// Has all nodes do what only has a count for an answer.
pub(super) async fn have_done(api: &Api, order: Order) -> Result<Affected, ProblemDetails> {
    let reports = ask(api, order, |report| matches!(report, Report::Done { .. })).await?;
    Ok(Affected {
        affected: control::done(&reports),
    })
}

/// What a node that did answer did.
fn part(report: &NodeReport, answers: fn(&Report) -> bool) -> Option<Value> {
    match &report.result {
        Ok(Report::Done { affected }) => Some(json!({ "node": report.node, "affected": affected })),
        Ok(told) if answers(told) => Some(json!({ "node": report.node })),
        _ => None,
    }
}
