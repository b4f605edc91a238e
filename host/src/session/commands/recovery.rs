//! What a subscriber missed: told in its ack, while the ack is sent, or not at all.

use std::sync::Arc;

use bytes::Bytes;

use crate::hub::message_envelope;
use crate::session::answer::ANSWER_BYTES;
use crate::session::context::Context;
use crate::session::refusal::Refusal;
use crate::session::reply_parts::LaterMessages;
use crate::session::reply_room::ReplyRoom;
use backplane::{HistoryPage, HistoryRange};
use config::ChannelSettings;
use protocol::Position;
use protocol::names::Topic;

pub(super) struct Recovery {
    /// Where the history stands. What is published after it comes as a push.
    pub newest: Position,
    /// None: the client did not ask, or cannot have all of it.
    pub missed: Option<MissedMessages>,
}

pub(super) enum MissedMessages {
    /// As they are encoded for this client.
    Read(Vec<Bytes>),
    /// They are more than may wait for the client.
    Later(LaterMessages),
}

impl Recovery {
    /// Reads what was published after `since`; without it, only where the history stands.
    pub(super) async fn read(
        context: &Context,
        topic: &Topic,
        settings: &Arc<ChannelSettings>,
        since: Option<&Position>,
        room: &ReplyRoom,
    ) -> Result<Self, Refusal> {
        let read = |range| context.shard.common.backplane.history(topic, settings, range);
        let standing = HistoryRange {
            since: since.cloned(),
            limit: Some(0),
            ..HistoryRange::default()
        };
        let Some(since) = since else {
            return Ok(Self::nothing(read(standing).await?));
        };
        let missed = HistoryRange {
            since: Some(since.clone()),
            bytes: Some(room.left()),
            ..HistoryRange::default()
        };
        let page = read(missed).await?;
        if page.whole {
            let messages: Vec<_> = page
                .messages
                .iter()
                .map(|message| message_envelope(message, room.codec))
                .collect();
            if room.take(messages.iter().map(Bytes::len).sum()) {
                return Ok(Self {
                    newest: page.newest,
                    missed: Some(MissedMessages::Read(messages)),
                });
            }
        }
        if page.is_cut && context.answers_are_kept() {
            // Beyond this nothing is kept for a client, so all of it is as good as gone.
            let most = HistoryRange {
                since: Some(since.clone()),
                bytes: Some(ANSWER_BYTES),
                ..HistoryRange::default()
            };
            if read(most).await?.is_cut {
                return Ok(Self::nothing(read(standing).await?));
            }
        }
        let page = if page.is_cut { read(standing).await? } else { page };
        if !page.whole {
            return Ok(Self::nothing(page));
        }
        let messages = page.newest.offset.saturating_sub(since.offset);
        let later = LaterMessages {
            topic: topic.clone(),
            settings: settings.clone(),
            epoch: page.newest.epoch.clone(),
            since: Some(since.clone()),
            reverse: false,
            messages: usize::try_from(messages).unwrap_or(usize::MAX),
            bytes: usize::MAX,
            all: true,
        };
        Ok(Self {
            newest: page.newest,
            missed: Some(MissedMessages::Later(later)),
        })
    }

    fn nothing(page: HistoryPage) -> Self {
        Self {
            newest: page.newest,
            missed: None,
        }
    }
}
