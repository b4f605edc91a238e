//! `subscribe`: a join, and its ack.

use std::rc::Rc;

use super::join::{CompletedJoin, JoinAck, begin, check};
use crate::session::chain_wait::InstanceWait;
use crate::session::context::Context;
use crate::session::outcome::{CommandReply, CommandResult, Outcome};
use crate::session::reply_parts;
use crate::session::reply_room::ReplyRoom;
use chain::{Asked, Denied, Grant, SubscribeQuestion};
use protocol::{RequestId, write};
use wall_clock::now_ms;

pub(super) struct SubscribeCommand {
    pub id: RequestId,
    pub request: protocol::Subscribe,
}

impl SubscribeCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        let channel = &self.request.channel;
        if let Err(refusal) = check(context, channel, context.subscription_count()) {
            return Outcome::Done(Err(refusal));
        }
        match context.ask_if_ready(SubscribeQuestion::new(channel.clone())) {
            Asked::Answered(granted) => self.begin(context, granted),
            Asked::Paused(question) => {
                let context = context.clone();
                Outcome::unasked(async move {
                    let granted = context.answer(question, &InstanceWait::begin()).await;
                    self.begin(&context, granted).answer().await
                })
            }
        }
    }

    fn begin(self, context: &Rc<Context>, granted: Result<Grant, Denied>) -> Outcome {
        let Self { id, request } = self;
        let joining = granted
            .map_err(Into::into)
            .and_then(|grant| begin(context, request, grant));
        match joining {
            Err(refusal) => Outcome::Done(Err(refusal)),
            Ok(join) => {
                let context = context.clone();
                Outcome::pending(async move {
                    let room = ReplyRoom::of(&context.client, &id);
                    let joined = join.finish(&context, &room).await?;
                    acknowledge(&context, &id, joined).await
                })
            }
        }
    }
}

async fn acknowledge(context: &Context, id: &RequestId, joined: CompletedJoin) -> CommandResult {
    let JoinAck {
        payload,
        later,
        release,
    } = joined.subscribe(context)?;
    let reply = CommandReply {
        envelope: write::subscribed(id, now_ms(), payload),
        releases: vec![release],
        ending: None,
    };
    Ok(reply_parts::complete(context, reply, later).await)
}
