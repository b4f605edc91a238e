//! The waits between a request and the chain's answer: for the instances of its plugins, which others make, and between two
//! plugins for the session's turn. They stand in the order of the session's requests, so nobody else waits.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

use super::context::Context;
use super::refusal::Refusal;
use chain::{Asked, DisconnectQuestion, Grant, HookKind, PendingCall, Question, SubscribeQuestion};
use protocol::codes;
use protocol::names::Channel;

/// How long a request waits for the instances that it needs. Then the chain is asked without them, and the fault of who
/// is not there refuses the request with 4503, or whatever its `on_fault` says.
const PENDING_CALL: Duration = Duration::from_secs(5);

/// Until when a request waits for instances, all its calls together. What it waits for turns does not count: load is no fault.
pub(super) struct InstanceWait(Cell<Instant>);

impl InstanceWait {
    /// Of a request that begins now.
    pub(super) fn begin() -> Self {
        Self(Cell::new(Instant::now() + PENDING_CALL))
    }
}

impl Context {
    /// Asks the chain now, and stops between two plugins when the session has used its turn.
    pub(super) fn ask<Q: Question>(&self, question: Q) -> Asked<Q> {
        let mut pause = || !self.shard.turns.may_go_on(&self.share);
        self.tenant.chain().ask(question, &self.caller, &mut pause)
    }

    /// Asks the chain now, unless it has to be waited for before the first plugin.
    pub(super) fn ask_if_ready<Q: Question>(&self, question: Q) -> Asked<Q> {
        match self.pending_call(&question) {
            None => self.ask(question),
            Some(_) => Asked::Paused(question),
        }
    }

    /// Waits until the chain has answered.
    pub(super) async fn answer<Q: Question>(&self, question: Q, wait: &InstanceWait) -> Q::Answer {
        self.answer_by(question, wait, Self::ask).await
    }

    /// The same, where each part of the question is asked by `ask`.
    pub(super) async fn answer_by<Q: Question>(
        &self,
        mut question: Q,
        wait: &InstanceWait,
        ask: impl Fn(&Self, Q) -> Asked<Q>,
    ) -> Q::Answer {
        loop {
            let began = Instant::now();
            self.turn().await;
            wait.0.update(|until| until + began.elapsed());
            self.until_ready(&question, wait.0.get()).await;
            match ask(self, question) {
                Asked::Answered(answer) => return answer,
                Asked::Paused(paused) => question = paused,
            }
        }
    }

    /// What a question has to wait for. None: it can be asked now, and has to be before the session waits for anything
    /// else. Where the tenant cannot be served, the session is told to end, and a question waits until it does.
    fn pending_call<Q: Question>(&self, question: &Q) -> Option<PendingCall> {
        if self.tenant.failed_at_first_use() && Q::HOOK != HookKind::Disconnect {
            if !self.client.is_closed() {
                self.client.cut_off(codes::SERVER_ERROR, self.tenant.sends_away());
            }
            return Some(Box::pin(pending()));
        }
        self.tenant.chain().pending(question, &self.caller)
    }

    /// Waits until a question can be asked, or has to be because the time is over.
    async fn until_ready(&self, question: &impl Question, until: Instant) {
        let Some(first) = self.pending_call(question) else {
            return;
        };
        let all = async {
            let mut next = Some(first);
            while let Some(pending) = next.take() {
                pending.await;
                // Another session's call may have used the instance up, or a reload replaced the chain.
                next = self.pending_call(question);
            }
        };
        drop(tokio::time::timeout_at(until, all).await);
    }

    /// The session's rights in a channel: the grant of its subscription, else that of a subscription it would get.
    pub(super) async fn grant(&self, channel: &Channel) -> Result<Grant, Refusal> {
        if let Some(grant) = self.granted(channel) {
            return Ok(grant);
        }
        let question = SubscribeQuestion::new(channel.clone());
        Ok(self.answer(question, &InstanceWait::begin()).await?)
    }

    /// Asks the on-disconnect hooks: at once, or by what it returns if one of the plugins is not there.
    pub(super) fn farewell(self: &Rc<Self>, code: u16) -> Option<LocalBoxFuture<'static, ()>> {
        let question = DisconnectQuestion::new(code);
        if self.pending_call(&question).is_none() {
            self.ask_disconnect(question);
            return None;
        }
        let context = self.clone();
        Some(Box::pin(async move {
            let wait = InstanceWait::begin();
            context.until_ready(&question, wait.0.get()).await;
            context.ask_disconnect(question);
        }))
    }
}
