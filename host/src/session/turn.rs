//! The session's turns on its shard.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::context::Context;

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
        poll_fn(|_| match self.may_run() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Tells the plugins that the session is over: now, or when its turn comes.
    pub(super) fn ask_disconnect(self: &Rc<Self>, code: u16) {
        let (tenant, caller) = (self.tenant.clone(), self.caller.clone());
        let hook = move || tenant.chain().disconnect(&caller, code);
        self.shard.turns.depart(&self.share, hook);
    }
}
