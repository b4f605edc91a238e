//! Room in the shards' inboxes: who has it now, and what waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::channel::ChannelState;
use super::pending::PendingChange;
use super::state::{ChannelMap, MemoryBackplane};
use super::tenants::KeyRoom;
use crate::inbox::{InboxPlace, NoPlace};
use crate::{Envelope, PresenceChange, PublishOptions, Published};
use chain::Message;
use config::ChannelSettings;
use protocol::Member;
use protocol::names::Topic;

/// What a channel that waited is accepted of at once, before the next channel has its turn.
const TURN: usize = 16;

/// Room for one envelope in each of some inboxes.
pub(super) type InboxRoom<'a> = Vec<InboxPlace<'a>>;

pub(super) fn send(room: InboxRoom<'_>, envelope: &Envelope) {
    for place in room {
        place.send(envelope.clone());
    }
}

impl MemoryBackplane {
    /// Moves on what waits for room, and forgets channels that nobody needs any more, for ever. To be run where nothing
    /// else takes long: publishes wait for it.
    pub async fn run(self: Arc<Self>) {
        let moving = (0..self.inboxes.len()).map(|shard| self.move_on(shard));
        tokio::join!(self.sweep(), join_all(moving));
    }

    /// Gives the room of a shard's inbox to the channels that wait for it: in turn, of the tenants that have room.
    async fn move_on(&self, shard: usize) {
        let (waiting, inbox) = (&self.waiting[shard], &self.inboxes[shard]);
        loop {
            let freed = inbox.freed();
            // Which envelopes the room is for is decided under the channel's lock. An inbox that is closed wants none.
            let Some(topic) = waiting.take_first(|tenant| inbox.has_room(tenant)) else {
                tokio::select! {
                    () = freed => {}
                    () = waiting.added() => {}
                }
                continue;
            };
            self.accept_pending(&mut self.channels(&topic), &topic);
            self.shorten(&self.tenants.of(&topic.tenant));
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Accepts what waits in a channel, as far as there is room.
    pub(super) fn accept_pending(&self, channels: &mut ChannelMap, topic: &Topic) {
        let Some(channel) = channels.get_mut(topic) else { return };
        let mut turn = TURN;
        while let Some(pending) = channel.pending.pop_front() {
            if pending.is_given_up() {
                continue;
            }
            let first = channel.interested().next();
            if let (0, Some(shard)) = (turn, first) {
                // The others first.
                channel.pending.push_front(pending);
                self.waiting[shard].add(topic);
                return;
            }
            turn = turn.saturating_sub(1);
            let room = match self.room(topic, channel, pending.bytes()) {
                Ok(room) => room,
                Err(full) => {
                    channel.pending.push_front(pending);
                    self.waiting[full].add(topic);
                    return;
                }
            };
            match pending {
                PendingChange::Publish {
                    message,
                    options,
                    key,
                    reply,
                    ..
                } => {
                    let first = options.key.as_ref().and_then(|key| channel.seen(key, Instant::now()));
                    let published = first.unwrap_or_else(|| self.accept(channel, message, &options, key, room));
                    let _gone = reply.send(published);
                }
                PendingChange::Join { member, reply } => {
                    if channel.enter(&member) {
                        send(room, &Envelope::Presence(self.change(topic, &member, true)));
                    }
                    let _gone = reply.send(());
                }
                PendingChange::Leave(change) => send(room, &Envelope::Presence(change)),
            }
        }
    }

    /// Forgets what waits in a channel and is waited for by nobody.
    pub(super) fn forget_given_up(&self, topic: &Topic) {
        if let Some(channel) = self.channels(topic).get_mut(topic) {
            channel.pending.retain(|pending| !pending.is_given_up());
        }
    }

    /// Room in every shard that wants the channel's envelopes, for a message of so many bytes; or a shard that has none.
    fn room(&self, topic: &Topic, channel: &ChannelState, bytes: usize) -> Result<InboxRoom<'_>, usize> {
        let mut room = Vec::with_capacity(self.inboxes.len());
        for shard in channel.interested() {
            match self.inboxes[shard].try_reserve(&topic.tenant, bytes) {
                Ok(place) => room.push(place),
                Err(NoPlace::Full) => return Err(shard),
                Err(NoPlace::Closed) => {}
            }
        }
        Ok(room)
    }

    /// The same for what comes now: it goes behind what waits in the channel, and the channel behind those of its tenant that
    /// wait for its shards. Without room the channel waits.
    pub(super) fn room_or_wait(&self, topic: &Topic, channel: &ChannelState, bytes: usize) -> Option<InboxRoom<'_>> {
        if !channel.pending.is_empty() {
            return None;
        }
        let behind = channel
            .interested()
            .find(|shard| self.waiting[*shard].has(&topic.tenant));
        match behind.map_or_else(|| self.room(topic, channel, bytes), Err) {
            Ok(room) => Some(room),
            Err(full) => {
                self.waiting[full].add(topic);
                None
            }
        }
    }

    /// Gives a message its place, and sends it to everyone: room first, so that what has an offset is on its way.
    pub(super) fn accept(
        &self,
        channel: &mut ChannelState,
        message: Message,
        options: &PublishOptions,
        key: Option<KeyRoom>,
        room: InboxRoom<'_>,
    ) -> Published {
        let publication = channel.accept(self.unique(), message, options, key, Instant::now());
        let published = Published {
            id: publication.id.clone(),
            position: publication.position.clone(),
            duplicate: false,
        };
        send(room, &Envelope::Message(publication));
        published
    }

    /// The next change of who is present; called under its channel's lock.
    pub(super) fn change(&self, topic: &Topic, member: &Member, joined: bool) -> Arc<PresenceChange> {
        let version = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(PresenceChange::new(topic.clone(), member.clone(), joined, version))
    }

    /// Ends the presence of `member`; the leave waits if it has to.
    pub(super) fn remove_member(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) {
        let mut channels = self.channels(topic);
        let Some(channel) = channels.get_mut(topic) else {
            return;
        };
        if !channel.exit(member) || !settings.join_leave {
            return;
        }
        let change = self.change(topic, member, false);
        match self.room_or_wait(topic, channel, 0) {
            Some(room) => send(room, &Envelope::Presence(change)),
            // A leave comes from a drop, which cannot wait.
            None => channel.pending.push_back(PendingChange::Leave(change)),
        }
    }
}
