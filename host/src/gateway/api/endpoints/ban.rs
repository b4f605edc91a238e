//! Bans users, and lifts bans.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nodes::{self, Affected};
use crate::control::Order;
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{ProblemDetails, ProblemKind};
use crate::gateway::api::values::{BanSeconds, Reason, UserPath};
use config::Scope;

pub(super) struct BanUser;
pub(super) struct UnbanUser;

/// How long a user is banned, and why.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BanBody {
    seconds: BanSeconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

impl Endpoint for BanUser {
    const NAME: &'static str = "banUser";
    const VERB: Verb = Verb::Put;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/ban";
    const SUMMARY: &'static str =
        "Refuse a user for a while, in place of a ban that there is, and end their connections.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Path = UserPath;
    type Query = Nothing;
    type Body = BanBody;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let order = Order::Ban {
            tenant: call.tenant.name.to_string(),
            user: call.path.user.0,
            seconds: call.body.seconds.0,
            at_least: false,
            stamp: None,
        };
        nodes::have_done(&api, order).await
    }
}

impl Endpoint for UnbanUser {
    const NAME: &'static str = "unbanUser";
    const VERB: Verb = Verb::Delete;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/ban";
    const SUMMARY: &'static str = "Refuse a user no longer.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Path = UserPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let order = Order::Unban {
            tenant: call.tenant.name.to_string(),
            user: call.path.user.0,
            stamp: None,
        };
        nodes::have_done(&api, order).await
    }
}
