//! The wait before the chain is asked: for the instances of its plugins, which others make. It stands in the order of the
//! session's requests, so nobody else waits.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

use super::context::Context;
use super::refusal::Refusal;
use chain::{Grant, HookKind, PendingCall};
use protocol::codes;
use protocol::names::Channel;

/// How long a request waits for the instances that it needs. Then the chain is asked without them, and the fault of who
/// is not there refuses the request with 4503, or whatever its `on_fault` says.
const PENDING_CALL: Duration = Duration::from_secs(5);

/// Until when a request that begins now waits, all its calls together.
pub(super) fn wait_limit() -> Instant {
    Instant::now() + PENDING_CALL
}

impl Context {
    /// What a call of `hook` has to wait for. None: the chain can be asked now, and has to be before the session waits
    /// for anything else. Where the tenant cannot be served, the session is told to end, and a call waits until it does.
    pub(super) fn pending_call(&self, hook: HookKind, channel: Option<&Channel>) -> Option<PendingCall> {
        if self.tenant.failed_at_first_use() && hook != HookKind::Disconnect {
            if !self.client.is_closed() {
                self.client.cut_off(codes::SERVER_ERROR, self.tenant.sends_away());
            }
            return Some(Box::pin(pending()));
        }
        self.tenant.chain().pending(hook, &self.caller, channel)
    }

    /// Waits until the chain can be asked, or has to be because `limit` is over.
    pub(super) async fn until_ready(&self, hook: HookKind, channel: Option<&Channel>, limit: Instant) {
        let Some(first) = self.pending_call(hook, channel) else {
            return;
        };
        let all = async {
            let mut next = Some(first);
            while let Some(pending) = next.take() {
                pending.await;
                // Another session's call may have used the instance up, or a reload replaced the chain.
                next = self.pending_call(hook, channel);
            }
        };
        drop(tokio::time::timeout_at(limit, all).await);
    }

    /// The session's rights in a channel: the grant of its subscription, else that of a subscription it would get.
    pub(super) async fn grant(&self, channel: &Channel) -> Result<Grant, Refusal> {
        if let Some(grant) = self.granted(channel) {
            return Ok(grant);
        }
        self.until_ready(HookKind::Subscribe, Some(channel), wait_limit()).await;
        Ok(self.tenant.chain().subscribe(&self.caller, channel)?)
    }

    /// Asks the on-disconnect hooks: at once, or by what it returns if one of the plugins is not there.
    pub(super) fn farewell(self: &Rc<Self>, code: u16) -> Option<LocalBoxFuture<'static, ()>> {
        if self.pending_call(HookKind::Disconnect, None).is_none() {
            self.ask_disconnect(code);
            return None;
        }
        let context = self.clone();
        Some(Box::pin(async move {
            context.until_ready(HookKind::Disconnect, None, wait_limit()).await;
            context.ask_disconnect(code);
        }))
    }
}
