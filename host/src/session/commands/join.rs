//! How a subscription is made: ask the chain, enter the hub, join the backplane, read the missed messages, acknowledge.
//!
//! This order makes recovery complete: from the confirmed join on at the latest, the hub holds published messages;
//! the history is read after that; and a message in both is delivered once.

use std::sync::Arc;

use bytes::Bytes;

use super::history::ANSWER_BYTES;
use super::presence::check_presence;
use crate::hub::message_json;
use crate::session::context::Context;
use crate::session::outcome::Release;
use crate::session::refusal::Refusal;
use crate::session::subscription::{Listening, Subscription};
use backplane::{HistoryPage, HistoryRange, Interest, Presence};
use chain::Grant;
use config::ChannelSettings;
use protocol::names::{Channel, Topic};
use protocol::write::{self, Subscribed};
use protocol::{Json, Member, Subscribe, codes};

/// A subscription that was granted and is held in the hub. Dropping it undoes it.
pub(super) struct Join {
    request: Subscribe,
    topic: Topic,
    settings: Arc<ChannelSettings>,
    grant: Grant,
    listening: Listening,
}

/// A subscription that has everything but its ack. Dropping it undoes it.
pub(super) struct CompletedJoin {
    payload: Json,
    subscription: Box<Subscription>,
    release: Release,
}

/// Begins to subscribe, where `taken` channels count against the connection's limit already.
pub(super) fn begin(context: &Context, request: Subscribe, taken: usize) -> Result<Join, Refusal> {
    let channel = &request.channel;
    if context.granted(channel).is_some() {
        return Err(already_subscribed());
    }
    let tenant = context.tenant.settings();
    let limit = tenant.limits.channels_per_connection;
    if taken >= limit {
        let message = format!("a connection listens to at most {limit} channels");
        return Err(Refusal::new(codes::LIMIT_EXCEEDED, message));
    }
    let grant = context.tenant.chain().subscribe(&context.caller, channel)?;
    let settings = tenant.channel(channel).clone();
    if request.presence {
        check_presence(&settings, grant)?;
    }
    let topic = context.topic(channel);
    // In the hub before the first wait, so that a revocation finds it there.
    let listening = context.listen(&topic, &settings);
    Ok(Join {
        request,
        topic,
        settings,
        grant,
        listening,
    })
}

pub(super) fn already_subscribed() -> Refusal {
    Refusal::new(
        codes::ALREADY_SUBSCRIBED,
        "this connection listens to the channel already",
    )
}

impl Join {
    /// Everything but the ack.
    pub(super) async fn finish(self, context: &Context) -> Result<CompletedJoin, Refusal> {
        let Self {
            request,
            topic,
            settings,
            grant,
            listening,
        } = self;
        let backplane = &context.shard.common.backplane;
        let interest = Interest::join(backplane, &topic, &settings, context.shard.index).await?;
        let presence = if settings.presence || settings.join_leave {
            Some(Presence::enter(backplane, &topic, &settings, context.member()).await?)
        } else {
            None
        };
        let page = match range(&settings, &request, grant) {
            Some(range) => Some(backplane.history(&topic, &settings, range).await?),
            None => None,
        };
        let snapshot = if request.presence {
            Some(backplane.members(&topic).await?)
        } else {
            None
        };
        let members = snapshot.as_ref().map(|snapshot| &*snapshot.members);
        let payload = payload(&topic.channel, &request, grant, page.as_ref(), members);
        Ok(CompletedJoin {
            payload,
            subscription: Box::new(Subscription::new(grant, listening, presence, interest)),
            release: Release {
                topic,
                after: page.map(|page| page.newest),
                snapshot: snapshot.map(|snapshot| snapshot.version),
            },
        })
    }
}

impl CompletedJoin {
    /// Makes it one of the session's subscriptions, unless the operator revoked it meanwhile. Then its ack must not be sent
    /// either, because it may contain messages. The ack has to be queued before the session waits again.
    pub(super) fn subscribe(self, context: &Context) -> Result<(Json, Release), Refusal> {
        let topic = &self.release.topic;
        if context.shard.hub.borrow().is_revoked(topic, context.client.id) {
            return Err(Refusal::new(
                codes::PERMISSION_DENIED,
                "the operator ended this subscription",
            ));
        }
        context.add_subscription(topic.channel.clone(), self.subscription);
        Ok((self.payload, self.release))
    }
}

/// Which part of the history the ack needs; none in a channel without one.
fn range(settings: &ChannelSettings, request: &Subscribe, grant: Grant) -> Option<HistoryRange> {
    settings.history.as_ref()?;
    Some(match &request.since {
        Some(since) if grant.history => HistoryRange {
            since: Some(since.clone()),
            ..HistoryRange::default()
        },
        // Only the newest position.
        _ => HistoryRange {
            limit: Some(0),
            ..HistoryRange::default()
        },
    })
}

fn payload(
    channel: &Channel,
    request: &Subscribe,
    grant: Grant,
    page: Option<&HistoryPage>,
    presence: Option<&[Member]>,
) -> Json {
    // Without a history, or the right to it, nothing can be recovered.
    let whole = page.is_some_and(|page| page.whole && grant.history);
    let messages: Option<Vec<Bytes>> = match (&request.since, page) {
        (Some(_), Some(page)) if whole => Some(page.messages.iter().map(|message| message_json(message)).collect()),
        _ => None,
    };
    // Messages that are too large for one answer are not sent in part: the client has to start afresh.
    let fits = |messages: &Vec<Bytes>| messages.iter().map(Bytes::len).sum::<usize>() <= ANSWER_BYTES;
    let messages = messages.filter(fits);
    write::subscribed_payload(&Subscribed {
        channel: channel.as_str(),
        position: page.map(|page| &page.newest),
        recovered: request.since.as_ref().map(|_| messages.is_some()),
        messages: messages.as_deref(),
        presence,
    })
}
