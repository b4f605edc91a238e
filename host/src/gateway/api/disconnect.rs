//! Sending connections away: all of a user's, or one.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::endpoint::{Call, Endpoint, Nothing, Verb};
use super::nodes::{self, Done};
use super::problem::Problem;
use super::values::{Code, OnSession, OnUser};
use crate::config::Scope;
use crate::control::Order;

pub(super) struct DisconnectUser;
pub(super) struct DisconnectSession;

/// How.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DisconnectBody {
    #[serde(default)]
    code: Code,
}

impl Endpoint for DisconnectUser {
    const NAME: &'static str = "disconnectUser";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/disconnect";
    const SUMMARY: &'static str = "End all connections of a user.";
    const SCOPE: Scope = Scope::Connections;
    type Path = OnUser;
    type Query = Nothing;
    type Body = DisconnectBody;
    type Answer = Done;

    async fn carry_out(api: Arc<Api>, call: Call<Self>) -> Result<Done, Problem> {
        let order = Order::DisconnectUser {
            tenant: call.tenant.name.to_string(),
            user: call.path.user.0,
            code: call.body.code.0,
        };
        nodes::have_done(&api, order).await
    }
}

impl Endpoint for DisconnectSession {
    const NAME: &'static str = "disconnectSession";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/sessions/{session}/disconnect";
    const SUMMARY: &'static str = "End one connection.";
    const SCOPE: Scope = Scope::Connections;
    type Path = OnSession;
    type Query = Nothing;
    type Body = DisconnectBody;
    type Answer = Done;

    async fn carry_out(api: Arc<Api>, call: Call<Self>) -> Result<Done, Problem> {
        let order = Order::DisconnectSession {
            tenant: call.tenant.name.to_string(),
            session: call.path.session,
            code: call.body.code.0,
        };
        nodes::have_done(&api, order).await
    }
}
