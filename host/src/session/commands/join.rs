//! How a subscription is made: check, ask the chain, enter the hub, join the backplane, read the missed messages, acknowledge.
//!
//! This order makes recovery complete: from the confirmed join on at the latest, the hub holds published messages;
//! the history is read after that; and a message in both is delivered once.

use std::sync::Arc;

use super::presence::check_presence;
use super::recovery::{MissedMessages, Recovery};
use crate::session::context::Context;
use crate::session::outcome::Release;
use crate::session::refusal::Refusal;
use crate::session::reply_parts::LaterMessages;
use crate::session::reply_room::ReplyRoom;
use crate::session::subscription::{Listening, Subscription};
use backplane::{Interest, Presence};
use chain::Grant;
use config::ChannelSettings;
use protocol::names::{Channel, Topic};
use protocol::write::{self, MessageList, Subscribed};
use protocol::{Encoded, Subscribe, codes};

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
    payload: Encoded,
    later: Option<LaterMessages>,
    subscription: Box<Subscription>,
    release: Release,
}

/// The payload of a subscription's ack.
pub(super) struct JoinAck {
    pub payload: Encoded,
    /// What the payload leaves open.
    pub later: Option<LaterMessages>,
    pub release: Release,
}

/// Whether the chain need be asked, where `taken` channels count against the connection's limit already.
pub(super) fn check(context: &Context, channel: &Channel, taken: usize) -> Result<(), Refusal> {
    if context.granted(channel).is_some() {
        return Err(already_subscribed());
    }
    let limit = context.tenant.settings().limits.channels_per_connection;
    if taken >= limit {
        let message = format!("a connection listens to at most {limit} channels");
        return Err(Refusal::new(codes::LIMIT_EXCEEDED, message));
    }
    Ok(())
}

/// Begins a subscription that the chain granted.
pub(super) fn begin(context: &Context, request: Subscribe, grant: Grant) -> Result<Join, Refusal> {
    let channel = &request.channel;
    let settings = context.tenant.settings().channel(channel).clone();
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
    /// Everything but the ack, which has no more than `room`.
    pub(super) async fn finish(self, context: &Context, room: &ReplyRoom) -> Result<CompletedJoin, Refusal> {
        let Self {
            request,
            topic,
            settings,
            grant,
            listening,
        } = self;
        let codec = room.codec;
        let backplane = &context.shard.common.backplane;
        let allowance = context.allowance();
        let interest = Interest::join(backplane, &topic, &settings, &allowance, context.shard.index).await?;
        let presence = if settings.presence || settings.join_leave {
            Some(Presence::enter(backplane, &topic, &settings, context.member()).await?)
        } else {
            None
        };
        let snapshot = if request.presence {
            Some(backplane.members(&topic).await?)
        } else {
            None
        };
        let members = snapshot
            .as_ref()
            .map(|snapshot| write::member_list(codec, &snapshot.members));
        if let Some(members) = &members {
            room.take_list(members.len())?;
        }
        // Without a history, or the right to it, nothing can be recovered.
        let since = request.since.as_ref().filter(|_| grant.history);
        let recovery = match &settings.history {
            Some(_) => Some(Recovery::read(context, &topic, &settings, since, room).await?),
            None => None,
        };
        let (newest, missed) = recovery.map(|recovery| (recovery.newest, recovery.missed)).unzip();
        let missed = missed.flatten();
        let payload = write::subscribed_payload(
            codec,
            Subscribed {
                channel: topic.channel.as_str(),
                position: newest.as_ref(),
                recovered: request.since.as_ref().map(|_| missed.is_some()),
                messages: missed.as_ref().map(|missed| match missed {
                    MissedMessages::Read(messages) => MessageList::Whole(messages),
                    MissedMessages::Later(later) => MessageList::Later(later.messages),
                }),
                presence: members,
            },
        );
        let later = match missed {
            Some(MissedMessages::Later(later)) => Some(later),
            _ => None,
        };
        Ok(CompletedJoin {
            payload,
            later,
            subscription: Box::new(Subscription::new(grant, listening, presence, interest)),
            release: Release {
                topic,
                after: newest,
                snapshot: snapshot.map(|snapshot| snapshot.version),
            },
        })
    }
}

impl CompletedJoin {
    /// Makes it one of the session's subscriptions, unless the operator revoked it meanwhile. Then its ack must not be sent
    /// either, because it may contain messages. The ack has to be queued before the session waits again.
    pub(super) fn subscribe(self, context: &Context) -> Result<JoinAck, Refusal> {
        let topic = &self.release.topic;
        if context.shard.hub.borrow().is_revoked(topic, context.client.id) {
            return Err(Refusal::new(
                codes::PERMISSION_DENIED,
                "the operator ended this subscription",
            ));
        }
        context.add_subscription(topic.channel.clone(), self.subscription);
        Ok(JoinAck {
            payload: self.payload,
            later: self.later,
            release: self.release,
        })
    }
}
