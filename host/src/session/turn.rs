//! The session's turns on its shard.

use std::future::poll_fn;
use std::task::Poll;

use super::context::Context;
use chain::{Asked, DisconnectQuestion};

impl Context {
    /// Whether the session may read, or begin a request, now. If not, its shard signals it when its turn has come.
    pub(super) fn may_run(&self) -> bool {
        // A `connect` that is refused in any case need not wait for that.
        let is_refused = !self.is_connected() && self.tenant.share.has_many_departed();
        is_refused || self.shard.turns.may_run(&self.share)
    }

    pub(super) fn is_waiting_for_turn(&self) -> bool {
        self.share.is_waiting()
    }

    /// Waits until a pending command may go on. The shard's signal wakes the session, which polls its commands then.
    pub(super) async fn turn(&self) {
        poll_fn(|_| match self.shard.turns.may_run(&self.share) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Tells the plugins that the session is over: now, or when its turn comes. Others have theirs between two plugins.
    pub(super) fn ask_disconnect(&self, question: DisconnectQuestion) {
        let (tenant, caller) = (self.tenant.clone(), self.caller.clone());
        let mut left = Some(question);
        let hooks = move |pause: &mut dyn FnMut() -> bool| {
            if let Some(question) = left.take()
                && let Asked::Paused(paused) = tenant.chain().ask(question, &caller, pause)
            {
                left = Some(paused);
                return Poll::Pending;
            }
            Poll::Ready(())
        };
        self.shard.turns.depart(&self.share, Box::new(hooks));
    }
}
