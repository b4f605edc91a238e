//! `subscribe`: a join, and its ack.

use std::rc::Rc;

use super::join::{CompletedJoin, JoinAck, begin};
use crate::session::chain_wait::wait_limit;
use crate::session::context::Context;
use crate::session::outcome::{CommandReply, CommandResult, Outcome};
use crate::session::reply_parts;
use crate::session::reply_room::ReplyRoom;
use chain::HookKind;
use protocol::{RequestId, write};
use wall_clock::now_ms;

pub(super) struct SubscribeCommand {
    pub id: RequestId,
    pub request: protocol::Subscribe,
}

impl SubscribeCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        if context
            .pending_call(HookKind::Subscribe, Some(&self.request.channel))
            .is_none()
        {
            return self.begin(context);
        }
        let context = context.clone();
        Outcome::unasked(async move {
            context
                .until_ready(HookKind::Subscribe, Some(&self.request.channel), wait_limit())
                .await;
            self.begin(&context).answer().await
        })
    }

    fn begin(self, context: &Rc<Context>) -> Outcome {
        let Self { id, request } = self;
        match begin(context, request, context.subscription_count()) {
            Err(refusal) => Outcome::Done(Err(refusal)),
            Ok(join) => {
                let context = context.clone();
                Outcome::pending(async move {
                    let room = ReplyRoom::of(&context.client);
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
