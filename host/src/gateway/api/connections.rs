//! The connections there are, page by page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Call, Endpoint, Nothing, Verb};
use super::problem::Problem;
use super::values::{Limit, UserId};
use super::{Api, nodes};
use crate::config::Scope;
use crate::control::{self, Connection, Order, Report};

pub(super) struct Connections;

/// Which connections.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionsQuery {
    /// Only this user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    /// Only what comes after this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

impl Endpoint for Connections {
    const NAME: &'static str = "listConnections";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}/connections";
    const SUMMARY: &'static str = "List the connections there are.";
    const SCOPE: Scope = Scope::Connections;
    type Path = Nothing;
    type Query = ConnectionsQuery;
    type Body = Nothing;
    type Answer = ConnectionsAnswer;

    async fn carry_out(api: Arc<Api>, call: Call<Self>) -> Result<ConnectionsAnswer, Problem> {
        let ConnectionsQuery { user, after, limit } = call.query;
        let order = Order::Connections {
            tenant: call.tenant.name.to_string(),
            user: user.map(|user| user.0),
            after,
            limit: limit.0,
        };
        let reports = nodes::ask(&api, order, |report| matches!(report, Report::Connections { .. })).await?;
        let page = control::connections(reports, limit.0);
        Ok(ConnectionsAnswer {
            connections: page.entries,
            next: page.next,
        })
    }
}
