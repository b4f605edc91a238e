//! `ping`: for clients that cannot see WebSocket pings.

use std::rc::Rc;

use crate::session::context::Context;
use crate::session::outcome::Outcome;
use protocol::{RequestId, write};
use wall_clock::now_ms;

pub(super) struct PingCommand {
    pub id: RequestId,
}

impl PingCommand {
    pub(super) fn apply(self, _: &Rc<Context>) -> Outcome {
        Outcome::Done(Ok(write::pong(&self.id, now_ms()).into()))
    }
}
