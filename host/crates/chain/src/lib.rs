//! The ordered hooks of a tenant: asks each in turn and makes one decision of their verdicts. Pure: knows no plugin
//! technology, no socket, no turns and no backplane.
//!
//! Any deny ends the chain. Connect: the first accept names the identity. Subscribe and publish: one
//! allow is needed unless the tenant's default is allow. A fault is no verdict; what it means is decided
//! here, by the operator's [`OnFault`], and nowhere else.

mod caller;
mod decision;
mod handshake;
mod hook;
mod kind;
mod permit;
mod question;
mod step;
#[cfg(test)]
mod tests;
mod verdict;
mod verdict_cache;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

pub use caller::{AttributeLimit, Caller};
pub use decision::Denied;
pub use handshake::{Handshake, Headers, Upgrade};
pub use hook::{Fault, Hook, OnFault, PendingCall};
pub use kind::{HookKind, Hooks};
pub use permit::{Message, Permit, Unfit};
pub use question::{
    Asked, ConnectQuestion, DisconnectQuestion, PublishDecision, PublishQuestion, Question, SubscribeQuestion,
};
pub use step::{ChainStep, Defaults, FaultRules};
pub use verdict::{ConnectVerdict, Denial, Grant, HookResponse, Identity, Penalty, PublishVerdict, SubscribeVerdict};

use question::{Evaluation, Pauses};
use verdict_cache::CacheKey;

/// A tenant's chain on one shard.
pub struct Chain {
    /// Tells this chain from the one before a reload.
    serial: u64,
    steps: Vec<ChainStep>,
    defaults: Defaults,
    /// Nothing is allowed, not even by what was granted before.
    is_closed: bool,
}

// === impl Chain ===

impl Chain {
    /// A chain that asks `steps` in their order.
    pub fn new(steps: Vec<ChainStep>, defaults: Defaults) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            steps,
            defaults,
            is_closed: false,
        }
    }

    /// A chain that refuses everything to everybody, whatever they were granted before.
    pub fn closed() -> Self {
        let defaults = Defaults {
            anonymous: false,
            allow: false,
            message_bytes: 0,
        };
        Self {
            is_closed: true,
            ..Self::new(Vec::new(), defaults)
        }
    }

    /// What a question has to wait for: a plugin whose instance is being made. All that it still needs are being made when
    /// this returns. None, without a lock or an allocation, if it can be asked now.
    ///
    /// A plugin whose verdict is remembered is not waited for, nor one that was asked before a pause.
    pub fn pending<Q: Question>(&mut self, question: &Q, caller: &Caller) -> Option<PendingCall> {
        let mut first = None;
        let next = question.next().index_in(self.serial);
        for (index, step) in self.steps.iter_mut().enumerate().skip(next) {
            if !step.hooks.has(Q::HOOK) {
                continue;
            }
            let Some(pending) = step.hook.pending(Q::HOOK) else {
                continue;
            };
            let remembered = question.channel().is_some_and(|channel| {
                let key = CacheKey {
                    chain: self.serial,
                    step: index,
                    hook: Q::HOOK,
                    channel: channel.as_str(),
                };
                caller.verdicts.lock().fresh(key, Instant::now).is_some()
            });
            if !remembered {
                first.get_or_insert(pending);
            }
        }
        first
    }

    /// Asks a question, or goes on with one that paused. Before each plugin but the first of this call `pause` says whether
    /// others have their turn first; it is not asked about a verdict that is remembered.
    pub fn ask<Q: Question>(&mut self, question: Q, caller: &Arc<Caller>, pause: &mut dyn FnMut() -> bool) -> Asked<Q> {
        question.go_on(Evaluation {
            chain: self.serial,
            steps: &mut self.steps,
            defaults: self.defaults,
            is_closed: self.is_closed,
            caller,
            pauses: Pauses::new(pause),
        })
    }

    /// Lets plugins give back instances that were not used for long.
    pub fn evict_idle(&mut self) {
        let now = Instant::now();
        for step in &mut self.steps {
            step.hook.evict_idle(now);
        }
    }
}
