//! `history`: a part of what was published in a channel.

use std::rc::Rc;

use bytes::Bytes;

use crate::session::answer::{ANSWER_BYTES, fitting};
use crate::session::context::Context;
use crate::session::outcome::{CommandResult, Outcome};
use crate::session::refusal::Refusal;
use crate::session::reply_parts::{self, LaterMessages};
use crate::session::reply_room::ReplyRoom;
use backplane::{HistoryPage, HistoryRange};
use protocol::write::{self, MessageList};
use protocol::{Codec, HistoryRequest, Position, RequestId, codes};
use wall_clock::now_ms;

/// Messages of one answer, where the client names no limit.
const DEFAULT_LIMIT: usize = 100;
/// Messages of one answer at most; a client that wants more asks again from the last one.
const MAX_LIMIT: usize = 1000;

pub(super) struct HistoryCommand {
    pub id: RequestId,
    pub request: HistoryRequest,
}

impl HistoryCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        let context = context.clone();
        Outcome::pending(async move { self.read(&context).await })
    }

    async fn read(self, context: &Context) -> CommandResult {
        let HistoryRequest {
            channel,
            limit,
            since,
            reverse,
        } = self.request;
        let grant = context.grant(&channel).await?;
        let room = ReplyRoom::of(&context.client, &self.id);
        let settings = context.tenant.settings().channel(&channel).clone();
        if settings.history.is_none() {
            return Err(Refusal::new(codes::BAD_REQUEST, "this channel keeps no history"));
        }
        if !grant.history {
            return Err(Refusal::new(
                codes::PERMISSION_DENIED,
                "no right to this channel's history",
            ));
        }
        let codec = room.codec;
        let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
        let range = HistoryRange {
            since: since.clone(),
            limit: Some(limit),
            reverse,
            bytes: Some(room.left().min(ANSWER_BYTES)),
        };
        let topic = context.topic(&channel);
        let page = context.shard.common.backplane.history(&topic, &settings, range).await?;
        // Backwards, what is gone is simply the end.
        if !page.whole && !reverse {
            let message = "the history does not reach back to this position; read it without since";
            return Err(Refusal::new(codes::UNRECOVERABLE_POSITION, message));
        }
        let messages: Vec<Bytes> = fitting(&page.messages, codec, room.left()).collect();
        let ack = |list| write::history(&self.id, now_ms(), channel.as_str(), &page.newest, list);
        // A list in MessagePack begins with how many they are, and here that is known of what is read already. Fewer messages
        // are an answer too.
        let is_counted = codec == Codec::MessagePack;
        if is_counted || (!page.is_cut && messages.len() == page.messages.len()) {
            return Ok(ack(MessageList::Whole(&messages)).into());
        }
        let reply = ack(MessageList::Later(0));
        let since = since.or_else(|| beginning(&page, reverse));
        let left = match &since {
            Some(since) if !reverse => page.newest.offset.saturating_sub(since.offset),
            _ => u64::MAX,
        };
        let later = LaterMessages {
            topic,
            settings,
            epoch: page.newest.epoch.clone(),
            since,
            reverse,
            messages: limit.min(usize::try_from(left).unwrap_or(usize::MAX)),
            bytes: ANSWER_BYTES,
            all: false,
        };
        drop((page, messages));
        Ok(reply_parts::complete(context, reply.into(), [later]).await)
    }
}

/// The position behind which a history begins, or before which it ends, as it stands now.
fn beginning(page: &HistoryPage, reverse: bool) -> Option<Position> {
    let first = page.messages.first()?.position.as_ref()?;
    Some(Position {
        epoch: page.newest.epoch.clone(),
        offset: if reverse { first.offset + 1 } else { first.offset - 1 },
    })
}
