//! Taking a user's subscriptions to a channel away.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::endpoint::{Call, Endpoint, Nothing, Verb};
use super::nodes::{self, Done};
use super::problem::Problem;
use super::values::{ChannelName, OnUser};
use crate::config::Scope;
use crate::control::Order;

pub(super) struct Unsubscribe;

/// From what.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnsubscribeBody {
    channel: ChannelName,
}

impl Endpoint for Unsubscribe {
    const NAME: &'static str = "unsubscribeUser";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/unsubscribe";
    const SUMMARY: &'static str = "End a user's subscriptions to a channel.";
    const SCOPE: Scope = Scope::Connections;
    type Path = OnUser;
    type Query = Nothing;
    type Body = UnsubscribeBody;
    type Answer = Done;

    async fn carry_out(api: Arc<Api>, call: Call<Self>) -> Result<Done, Problem> {
        let order = Order::Unsubscribe {
            tenant: call.tenant.name.to_string(),
            user: call.path.user.0,
            channel: call.body.channel.0.as_str().to_owned(),
        };
        nodes::have_done(&api, order).await
    }
}
