//! Ends connections: all of a user, or one.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nodes::{self, Affected};
use crate::control::Order;
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{ProblemDetails, ProblemKind};
use crate::gateway::api::values::{CloseNumber, SessionPath, UserPath};
use config::{Scope, Tenant};

pub(super) struct DisconnectUser;
pub(super) struct DisconnectSession;

/// How the connections end.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DisconnectBody {
    #[serde(default)]
    code: CloseNumber,
}

impl Endpoint for DisconnectUser {
    const NAME: &'static str = "disconnectUser";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/disconnect";
    const SUMMARY: &'static str = "End all connections of a user.";
    const SCOPE: Scope = Scope::Connections;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = UserPath;
    type Query = Nothing;
    type Body = DisconnectBody;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let order = Order::DisconnectUser {
            tenant: call.tenant.name.to_string(),
            user: call.path.user.0,
            code: call.body.code.code(),
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
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = SessionPath;
    type Query = Nothing;
    type Body = DisconnectBody;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let order = Order::DisconnectSession {
            tenant: call.tenant.name.to_string(),
            session: call.path.session.0,
            code: call.body.code.code(),
        };
        nodes::have_done(&api, order).await
    }
}
