//! Counts a tenant's connections and subscriptions, by node.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::nodes;
use crate::control::{self, NodeCount, Order, Report};
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{ProblemDetails, ProblemKind};
use config::{Scope, Tenant};

pub(super) struct CountConnections;

/// A tenant's connections and subscriptions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CountAnswer {
    tenant: String,
    /// Connections on all nodes.
    connections: u64,
    /// Subscriptions on all nodes.
    subscriptions: u64,
    nodes: Vec<NodeCount>,
}

impl Endpoint for CountConnections {
    const NAME: &'static str = "count";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}";
    const SUMMARY: &'static str = "Count connections and subscriptions, by node.";
    const SCOPE: Scope = Scope::Read;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = CountAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<CountAnswer, ProblemDetails> {
        let tenant = call.tenant.name.to_string();
        let order = Order::Count { tenant: tenant.clone() };
        let reports = nodes::ask(&api, order, |report| matches!(report, Report::Count { .. })).await?;
        let nodes = control::counts(&reports);
        Ok(CountAnswer {
            tenant,
            connections: nodes.iter().map(|node| node.connections).sum(),
            subscriptions: nodes.iter().map(|node| node.subscriptions).sum(),
            nodes,
        })
    }
}
