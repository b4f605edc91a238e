//! Questions to a chain, one kind for each hook: values that are asked step by step. Between two plugins a question can pause,
//! and when it is asked again it goes on with the plugin before which it paused. Knows no clock: who asks says when to pause.

mod connect;
mod disconnect;
mod publish;
mod subscribe;

use std::sync::Arc;

pub use connect::ConnectQuestion;
pub use disconnect::DisconnectQuestion;
pub use publish::{PublishDecision, PublishQuestion};
pub use subscribe::SubscribeQuestion;

use super::caller::Caller;
use super::kind::HookKind;
use super::step::{ChainStep, Defaults};
use super::verdict_cache::CacheKey;
use protocol::names::Channel;

/// What can be asked of a chain. Only this crate implements it.
pub trait Question: Sized {
    /// The hook that is asked of each plugin.
    const HOOK: HookKind;
    /// What the chain makes of all verdicts.
    type Answer;

    /// That of a subscription or message.
    fn channel(&self) -> Option<&Channel>;
    /// Where it goes on.
    fn next(&self) -> NextStep;
    /// Asks on from there, until it is answered or pauses.
    fn go_on(self, evaluation: Evaluation<'_>) -> Asked<Self>;
}

/// How far a question came.
#[derive(Debug)]
pub enum Asked<Q: Question> {
    Answered(Q::Answer),
    /// It waits between two plugins. [`Chain::ask`](super::Chain::ask) goes on with it; of a chain that has taken the place
    /// of the one that it was asked of, all steps are asked.
    Paused(Q),
}

/// The step of a chain with which a question goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct NextStep {
    /// The chain's serial number; none before the question was asked.
    chain: Option<u64>,
    index: usize,
}

/// A chain while it is asked one question.
pub struct Evaluation<'a> {
    pub(super) chain: u64,
    pub(super) steps: &'a mut [ChainStep],
    pub(super) defaults: Defaults,
    /// Nothing is allowed, not even by what was granted before.
    pub(super) is_closed: bool,
    pub(super) caller: &'a Arc<Caller>,
    pub(super) pauses: Pauses<'a>,
}

/// Says whether to pause before a plugin is asked: never before the first, so each time the question comes further.
pub(super) struct Pauses<'a> {
    pause: &'a mut dyn FnMut() -> bool,
    has_asked: bool,
}

// === impl NextStep ===

impl NextStep {
    pub(super) fn of(chain: u64, index: usize) -> Self {
        Self {
            chain: Some(chain),
            index,
        }
    }

    /// Its place among the steps of `chain`: the first one unless the question paused there.
    pub(super) fn index_in(self, chain: u64) -> usize {
        if self.chain == Some(chain) { self.index } else { 0 }
    }

    /// Whether the question was begun with another chain.
    fn is_of_another(self, chain: u64) -> bool {
        self.chain.is_some_and(|begun| begun != chain)
    }
}

// === impl Pauses ===

impl<'a> Pauses<'a> {
    pub(super) fn new(pause: &'a mut dyn FnMut() -> bool) -> Self {
        Self {
            pause,
            has_asked: false,
        }
    }

    /// A plugin is about to be asked.
    fn before_call(&mut self) -> bool {
        std::mem::replace(&mut self.has_asked, true) && (self.pause)()
    }
}

/// The steps that hear a hook, from the one at `first` on, with their index.
fn asked(steps: &mut [ChainStep], hook: HookKind, first: usize) -> impl Iterator<Item = (usize, &mut ChainStep)> {
    let from_first = steps.iter_mut().enumerate().skip(first);
    from_first.filter(move |(_, step)| step.hooks.has(hook))
}

fn cache_key(chain: u64, step: usize, hook: HookKind, channel: &Channel) -> CacheKey<'_> {
    CacheKey {
        chain,
        step,
        hook,
        channel: channel.as_str(),
    }
}
