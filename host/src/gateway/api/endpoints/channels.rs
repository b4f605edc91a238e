//! Lists the channels that have subscribers, page by page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nodes;
use crate::control::{self, ChannelEntry, Order, Report};
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{ProblemDetails, ProblemKind};
use crate::gateway::api::values::Limit;
use config::{Scope, Tenant};

pub(super) struct ListChannels;

/// Which channels to list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelsQuery {
    /// Only channels whose names begin like this.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    /// Only what comes after this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    after: Option<String>,
    #[serde(default)]
    limit: Limit,
}

/// A page of channels, in the order of their names' bytes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChannelsAnswer {
    channels: Vec<ChannelEntry>,
    /// The `after` of the next page; absent in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Endpoint for ListChannels {
    const NAME: &'static str = "listChannels";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}/channels";
    const SUMMARY: &'static str = "List the channels that have subscribers.";
    const SCOPE: Scope = Scope::Read;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = Nothing;
    type Query = ChannelsQuery;
    type Body = Nothing;
    type Answer = ChannelsAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<ChannelsAnswer, ProblemDetails> {
        let ChannelsQuery { prefix, after, limit } = call.query;
        let order = Order::Channels {
            tenant: call.tenant.name.to_string(),
            prefix,
            after,
            limit: limit.entries(),
        };
        let reports = nodes::ask(&api, order, |report| matches!(report, Report::Channels { .. })).await?;
        let page = control::channels(reports, limit.entries());
        Ok(ChannelsAnswer {
            channels: page.entries,
            next: page.next,
        })
    }
}
