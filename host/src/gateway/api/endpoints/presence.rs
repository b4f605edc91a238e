//! Lists the members of a channel, page by page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{NO_PRESENCE, ProblemDetails, ProblemKind, UNAVAILABLE};
use crate::gateway::api::values::{ChannelPath, PageQuery};
use config::{Scope, Tenant};
use protocol::names::Topic;

pub(super) struct ReadPresence;

/// A page of a channel's members, in the order of their sessions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PresenceAnswer {
    channel: String,
    /// How many members there are in all.
    count: usize,
    members: Vec<PresenceMember>,
    /// The `after` of the next page; absent in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A session that is subscribed to the channel.
#[derive(Debug, Serialize, JsonSchema)]
struct PresenceMember {
    /// Absent if the session has no user.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    session: String,
}

impl Endpoint for ReadPresence {
    const NAME: &'static str = "readPresence";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}/channels/{channel}/presence";
    const SUMMARY: &'static str = "List the members of a channel.";
    const SCOPE: Scope = Scope::Read;
    const PROBLEMS: &'static [ProblemKind] = &[NO_PRESENCE, UNAVAILABLE];
    type Tenant = Arc<Tenant>;
    type Path = ChannelPath;
    type Query = PageQuery;
    type Body = Nothing;
    type Answer = PresenceAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<PresenceAnswer, ProblemDetails> {
        let channel = call.path.channel.0;
        if !call.tenant.channel(&channel).presence {
            return Err(NO_PRESENCE.because("presence = true in its [[tenants.channels]] turns it on"));
        }
        let topic = Topic {
            tenant: call.tenant.name.clone(),
            channel,
        };
        let mut all = api.backplane.members(&topic).await?.members;
        let count = all.len();
        all.sort_by(|one, other| one.session.cmp(&other.session));
        let after = call.query.after.as_deref();
        let from = all.partition_point(|member| after.is_some_and(|after| *member.session <= *after));
        let rest = &all[from..];
        let page = &rest[..rest.len().min(call.query.limit.entries())];
        let next = page.last().filter(|_| page.len() < rest.len());
        let shown = page.iter().map(|member| PresenceMember {
            user: member.user.as_deref().map(str::to_owned),
            session: member.session.to_string(),
        });
        Ok(PresenceAnswer {
            channel: topic.channel.as_str().to_owned(),
            count,
            members: shown.collect(),
            next: next.map(|last| last.session.to_string()),
        })
    }
}
