//! `subscribe`: a join, and its ack.

use std::rc::Rc;

use super::join::{CompletedJoin, begin};
use crate::session::context::Context;
use crate::session::outcome::{CommandReply, CommandResult, Outcome};
use protocol::{RequestId, write};
use wall_clock::now_ms;

pub(super) struct SubscribeCommand {
    pub id: RequestId,
    pub request: protocol::Subscribe,
}

impl SubscribeCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        let Self { id, request } = self;
        match begin(context, request, context.subscription_count()) {
            Err(refusal) => Outcome::Done(Err(refusal)),
            Ok(join) => {
                let context = context.clone();
                Outcome::pending(async move { acknowledge(&context, &id, join.finish(&context).await?) })
            }
        }
    }
}

fn acknowledge(context: &Context, id: &RequestId, joined: CompletedJoin) -> CommandResult {
    let (payload, release) = joined.subscribe(context)?;
    Ok(CommandReply {
        envelope: write::subscribed(id, now_ms(), payload),
        releases: vec![release],
        ending: None,
    })
}
