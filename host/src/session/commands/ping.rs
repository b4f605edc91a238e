//! `ping`: for clients that cannot see WebSocket pings.

use std::rc::Rc;

use crate::protocol::{RequestId, write};
use crate::session::context::Context;
use crate::session::outcome::Outcome;
use crate::wall_clock::now_ms;

pub(super) struct PingCommand {
    pub id: RequestId,
}

impl PingCommand {
    pub fn apply(self, _: &Rc<Context>) -> Outcome {
        Outcome::Done(Ok(write::pong(&self.id, now_ms()).into()))
    }
}
