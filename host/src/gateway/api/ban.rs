//! Refusing a user for a while, and no longer.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::endpoint::{Call, Endpoint, Nothing, Verb};
use super::nodes::{self, Done};
use super::problem::Problem;
use super::values::{BanSeconds, OnUser, Reason};
use crate::config::Scope;
use crate::control::Order;

pub(super) struct Ban;
pub(super) struct Unban;

/// How long, and why.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BanBody {
    seconds: BanSeconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

impl Endpoint for Ban {
    const NAME: &'static str = "banUser";
    const VERB: Verb = Verb::Put;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/ban";
    const SUMMARY: &'static str =
        "Refuse a user for a while, in place of a ban that there is, and end their connections.";
    const SCOPE: Scope = Scope::Ban;
    type Path = OnUser;
    type Query = Nothing;
    type Body = BanBody;
    type Answer = Done;

    async fn carry_out(api: Arc<Api>, call: Call<Self>) -> Result<Done, Problem> {
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

impl Endpoint for Unban {
    const NAME: &'static str = "unbanUser";
    const VERB: Verb = Verb::Delete;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/ban";
    const SUMMARY: &'static str = "Refuse a user no longer.";
    const SCOPE: Scope = Scope::Ban;
    type Path = OnUser;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Done;

    async fn carry_out(api: Arc<Api>, call: Call<Self>) -> Result<Done, Problem> {
        let order = Order::Unban {
            tenant: call.tenant.name.to_string(),
            user: call.path.user.0,
            stamp: None,
        };
        nodes::have_done(&api, order).await
    }
}
