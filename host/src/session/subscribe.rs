//! `subscribe`: ask the chain, listen, join the backplane, read what was missed, acknowledge.
//!
//! The order is what makes recovery whole: from the confirmed join on at the latest, what is published is
//! held by the hub; the history is read after that; and what is in both is delivered once.

use bytes::Bytes;

use super::Session;
use super::history::ANSWER_BYTES;
use super::refusal::Refusal;
use super::subscription::{Listening, Subscription};
use crate::backplane::{HistoryPage, HistoryRange, Interest, Presence};
use crate::chain::Grant;
use crate::config::ChannelSettings;
use crate::hub::message_json;
use crate::protocol::names::{Channel, Topic};
use crate::protocol::write::{self, Subscribed};
use crate::protocol::{Member, Position, RequestId, Subscribe, codes};
use crate::wall_clock::now_ms;

/// A subscription that is held until its ack is queued.
pub(super) struct Joined {
    pub payload: write::Subscription,
    topic: Topic,
    after: Option<Position>,
    /// The version of the snapshot of who is present, if it was asked for.
    snapshot: Option<u64>,
}

impl Session {
    pub(super) async fn subscribe(&mut self, id: &RequestId, request: &Subscribe) -> Result<(), Refusal> {
        let joined = self.join(request).await?;
        self.send(&write::subscribed(id, now_ms(), &joined.payload));
        self.release(&joined);
        Ok(())
    }

    /// Everything but the ack. The listener is held until [`Session::release`].
    pub(super) async fn join(&mut self, request: &Subscribe) -> Result<Joined, Refusal> {
        let channel = &request.channel;
        if self.subscriptions.contains_key(channel) {
            return Err(Refusal::new(
                codes::ALREADY_SUBSCRIBED,
                "this connection listens to the channel already",
            ));
        }
        let tenant = self.tenant.settings();
        let limit = tenant.limits.channels_per_connection;
        if self.subscriptions.len() >= limit {
            let message = format!("a connection listens to at most {limit} channels");
            return Err(Refusal::new(codes::LIMIT_EXCEEDED, message));
        }
        let grant = self.tenant.chain().subscribe(&self.caller, channel)?;
        let settings = tenant.channel(channel).clone();
        if request.presence {
            check_presence(&settings, grant)?;
        }
        let backplane = self.shard.common.backplane.clone();
        let topic = self.topic(channel);
        // In the hub before the first wait: whoever takes this subscription away finds it there.
        let listening = self.listen(&topic, &settings);
        let interest = Interest::join(&backplane, &topic, &settings, self.shard.index).await?;
        let presence = if settings.presence || settings.join_leave {
            Some(Presence::enter(&backplane, &topic, &settings, self.member()).await?)
        } else {
            None
        };
        let page = self.missed(&topic, &settings, request, grant).await?;
        let snapshot = if request.presence {
            Some(backplane.members(&topic).await?)
        } else {
            None
        };
        let members = snapshot.as_ref().map(|snapshot| &*snapshot.members);
        let payload = payload(channel, request, grant, page.as_ref(), members);
        let subscription = Subscription::new(grant, listening, presence, interest);
        self.subscriptions.insert(channel.clone(), Box::new(subscription));
        if grant.expires_ms.is_some() {
            self.set_alarm();
        }
        self.still_granted(Joined {
            payload,
            topic,
            after: page.map(|page| page.newest),
            snapshot: snapshot.map(|snapshot| snapshot.version),
        })
    }

    /// Takes back a subscription that the operator took away while it was made: not even its ack, which may
    /// hold messages, may leave.
    pub(super) fn still_granted(&mut self, joined: Joined) -> Result<Joined, Refusal> {
        if !self.shard.hub.borrow().is_revoked(&joined.topic, self.line.id) {
            return Ok(joined);
        }
        self.subscriptions.remove(&joined.topic.channel);
        Err(Refusal::new(
            codes::PERMISSION_DENIED,
            "the operator ended this subscription",
        ))
    }

    /// Lets a joined subscription have what came meanwhile, and what comes.
    pub(super) fn release(&self, joined: &Joined) {
        let mut hub = self.shard.hub.borrow_mut();
        hub.release(&joined.topic, self.line.id, joined.after.clone(), joined.snapshot);
        hub.flush();
    }

    fn listen(&mut self, topic: &Topic, settings: &std::sync::Arc<ChannelSettings>) -> Listening {
        let subscription = self.next_subscription;
        self.next_subscription = subscription.wrapping_add(1) % u32::MAX;
        self.shard
            .hub
            .borrow_mut()
            .insert(topic, settings, &self.line, subscription);
        Listening::new(
            self.shard.clone(),
            self.tenant.clone(),
            topic.clone(),
            self.line.clone(),
        )
    }

    async fn missed(
        &self,
        topic: &Topic,
        settings: &ChannelSettings,
        request: &Subscribe,
        grant: Grant,
    ) -> Result<Option<HistoryPage>, Refusal> {
        if settings.history.is_none() {
            return Ok(None);
        }
        let range = match &request.since {
            Some(since) if grant.history => HistoryRange {
                since: Some(since.clone()),
                ..HistoryRange::default()
            },
            // Only where the channel stands.
            _ => HistoryRange {
                limit: Some(0),
                ..HistoryRange::default()
            },
        };
        Ok(Some(self.shard.common.backplane.history(topic, settings, range).await?))
    }

    pub(super) fn topic(&self, channel: &Channel) -> Topic {
        Topic {
            tenant: self.caller.tenant.clone(),
            channel: channel.clone(),
        }
    }

    /// This session as others see it.
    pub(super) fn member(&self) -> Member {
        Member {
            user: self.caller.user(),
            session: self.caller.session.clone(),
        }
    }
}

/// The right to see who is there, in a channel that knows it.
pub(super) fn check_presence(settings: &ChannelSettings, grant: Grant) -> Result<(), Refusal> {
    if !settings.presence {
        return Err(Refusal::new(codes::BAD_REQUEST, "this channel keeps no presence"));
    }
    if !grant.presence {
        return Err(Refusal::new(
            codes::PERMISSION_DENIED,
            "no right to this channel's presence",
        ));
    }
    Ok(())
}

fn payload(
    channel: &Channel,
    request: &Subscribe,
    grant: Grant,
    page: Option<&HistoryPage>,
    presence: Option<&[Member]>,
) -> write::Subscription {
    // Without a history, or the right to it, nothing can be recovered.
    let whole = page.is_some_and(|page| page.whole && grant.history);
    let messages: Option<Vec<Bytes>> = match (&request.since, page) {
        (Some(_), Some(page)) if whole => Some(page.messages.iter().map(|message| message_json(message)).collect()),
        _ => None,
    };
    // What is too much for one answer cannot be sent in one piece: a fresh start is honest, a part is not.
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
