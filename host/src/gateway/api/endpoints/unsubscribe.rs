//! Ends a user's subscriptions to a channel.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nodes::{self, Affected};
use crate::control::Order;
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{ProblemDetails, ProblemKind};
use crate::gateway::api::values::{ChannelName, UserPath};
use config::{Scope, Tenant};

pub(super) struct UnsubscribeUser;

/// The channel to unsubscribe from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnsubscribeBody {
    channel: ChannelName,
}

impl Endpoint for UnsubscribeUser {
    const NAME: &'static str = "unsubscribeUser";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/unsubscribe";
    const SUMMARY: &'static str = "End a user's subscriptions to a channel.";
    const SCOPE: Scope = Scope::Connections;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = UserPath;
    type Query = Nothing;
    type Body = UnsubscribeBody;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let order = Order::Unsubscribe {
            tenant: call.tenant.name.to_string(),
            user: call.path.user.0,
            channel: call.body.channel.0.as_str().to_owned(),
        };
        nodes::have_done(&api, order).await
    }
}
