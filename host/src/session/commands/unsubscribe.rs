//! `unsubscribe`: out of the hub, absent, out of the channel.

use std::rc::Rc;

use crate::session::context::Context;
use crate::session::outcome::Outcome;
use crate::session::refusal::Refusal;
use protocol::names::Channel;
use protocol::{RequestId, write};
use wall_clock::now_ms;

pub(super) struct UnsubscribeCommand {
    pub id: RequestId,
    pub channel: Channel,
}

impl UnsubscribeCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        if !context.remove_subscription(&self.channel) {
            return Outcome::Done(Err(Refusal::not_subscribed()));
        }
        let ack = write::unsubscribed_ack(&self.id, now_ms(), self.channel.as_str());
        Outcome::Done(Ok(ack.into()))
    }
}
