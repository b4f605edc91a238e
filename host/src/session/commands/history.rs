//! `history`: a part of what was published in a channel.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::hub::message_json;
use crate::session::context::Context;
use crate::session::outcome::{CommandResult, Outcome};
use crate::session::refusal::Refusal;
use backplane::{HistoryRange, Publication};
use protocol::{HistoryRequest, RequestId, codes, write};
use wall_clock::now_ms;

/// Messages of one answer, where the client names no limit.
const DEFAULT_LIMIT: usize = 100;
/// Messages of one answer at most; a client that wants more asks again from the last one.
const MAX_LIMIT: usize = 1000;

/// Bytes of messages in one answer at most. More missed than that is no recovery but a fresh start; a
/// client that reads history asks again from where it got to.
pub(super) const ANSWER_BYTES: usize = 8 * 1_048_576;

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
        let grant = context.grant(&channel)?;
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
        let range = HistoryRange {
            since,
            limit: Some(limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)),
            reverse,
        };
        let topic = context.topic(&channel);
        let page = context.shard.common.backplane.history(&topic, &settings, range).await?;
        // Backwards, what is gone is simply the end.
        if !page.whole && !reverse {
            let message = "the history does not reach back to this position; read it without since";
            return Err(Refusal::new(codes::UNRECOVERABLE_POSITION, message));
        }
        let messages: Vec<Bytes> = fitting(&page.messages).collect();
        Ok(write::history(&self.id, now_ms(), channel.as_str(), &page.newest, &messages).into())
    }
}

/// As many messages, as JSON, as one answer holds.
pub fn fitting(messages: &[Arc<Publication>]) -> impl Iterator<Item = Bytes> {
    let mut room = ANSWER_BYTES;
    messages
        .iter()
        .map(|message| message_json(message))
        .take_while(move |json| {
            // The first one always fits, so that paging makes progress.
            let fits = json.len() <= room || room == ANSWER_BYTES;
            room = room.saturating_sub(json.len());
            fits
        })
}
