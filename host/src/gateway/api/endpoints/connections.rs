//! Lists connections, page by page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nodes;
use crate::control::{self, Connection, Order, Report};
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{ProblemDetails, ProblemKind};
use crate::gateway::api::values::{Limit, UserId};
use config::{Scope, Tenant};

pub(super) struct ListConnections;

/// Which connections to list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionsQuery {
    /// Only connections of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UserId")]
    user: Option<UserId>,
    /// Only what comes after this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    after: Option<String>,
    #[serde(default)]
    limit: Limit,
}

/// A page of connections, in the order of their sessions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ConnectionsAnswer {
    connections: Vec<Connection>,
    /// The `after` of the next page; absent in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Endpoint for ListConnections {
    const NAME: &'static str = "listConnections";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}/connections";
    const SUMMARY: &'static str = "List connections.";
    const SCOPE: Scope = Scope::Connections;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = Nothing;
    type Query = ConnectionsQuery;
    type Body = Nothing;
    type Answer = ConnectionsAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<ConnectionsAnswer, ProblemDetails> {
        let ConnectionsQuery { user, after, limit } = call.query;
        let order = Order::Connections {
            tenant: call.tenant.name.to_string(),
            user: user.map(|user| user.0),
            after,
            limit: limit.entries(),
        };
        let reports = nodes::ask(&api, order, |report| matches!(report, Report::Connections { .. })).await?;
        let page = control::connections(reports, limit.entries());
        Ok(ConnectionsAnswer {
            connections: page.entries,
            next: page.next,
        })
    }
}
