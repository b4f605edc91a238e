//! Who is in a channel, page by page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::endpoint::{Call, Endpoint, Nothing, Verb};
use super::problem::{NO_PRESENCE, Problem};
use super::values::{OnChannel, PageQuery};
use crate::config::Scope;
use crate::protocol::names::Topic;

pub(super) struct Presence;

/// A page of those who are in a channel, in the order of their sessions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PresenceAnswer {
    channel: String,
    /// How many there are in all.
    count: usize,
    members: Vec<Member>,
    /// The `after` of the next page; absent in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A session that is in a channel.
#[derive(Debug, Serialize, JsonSchema)]
struct Member {
    /// Absent for one without a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    session: String,
}

impl Endpoint for Presence {
    const NAME: &'static str = "readPresence";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}/channels/{channel}/presence";
    const SUMMARY: &'static str = "See who is in a channel.";
    const SCOPE: Scope = Scope::Read;
    type Path = OnChannel;
    type Query = PageQuery;
    type Body = Nothing;
    type Answer = PresenceAnswer;

    async fn carry_out(api: Arc<Api>, call: Call<Self>) -> Result<PresenceAnswer, Problem> {
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
        let page = &rest[..rest.len().min(call.query.limit.0)];
        let next = page.last().filter(|_| page.len() < rest.len());
        let shown = page.iter().map(|member| Member {
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
