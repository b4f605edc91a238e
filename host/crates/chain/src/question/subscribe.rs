//! Whether a caller may subscribe to a channel.

use std::sync::Arc;
use std::time::Instant;

use super::{Asked, Evaluation, NextStep, Question, asked, cache_key};
use crate::caller::Caller;
use crate::decision::{self, Denied};
use crate::hook::OnFault;
use crate::kind::HookKind;
use crate::step::ChainStep;
use crate::verdict::{Grant, SubscribeVerdict};
use crate::verdict_cache::{CacheKey, CachedVerdict};
use protocol::names::Channel;

/// Asks whether the caller may subscribe to a channel, and what else it may do there.
#[derive(Debug)]
pub struct SubscribeQuestion {
    channel: Channel,
    granted: Option<Grant>,
    next: NextStep,
}

impl SubscribeQuestion {
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            granted: None,
            next: NextStep::default(),
        }
    }

    /// Asks the steps that are left. None: it pauses.
    fn ask(&mut self, evaluation: Evaluation<'_>) -> Result<Option<Grant>, Denied> {
        let Evaluation {
            chain,
            steps,
            defaults,
            caller,
            mut pauses,
            ..
        } = evaluation;
        if self.next.is_of_another(chain) {
            self.granted = None;
        }
        for (index, step) in asked(steps, HookKind::Subscribe, self.next.index_in(chain)) {
            let key = cache_key(chain, index, HookKind::Subscribe, &self.channel);
            let fresh = caller.verdicts.lock().fresh(key, Instant::now);
            let verdict = if let Some(CachedVerdict::Subscribe(verdict)) = fresh {
                verdict
            } else if pauses.before_call() {
                self.next = NextStep::of(chain, index);
                return Ok(None);
            } else {
                call(step, caller, key)?
            };
            match verdict {
                SubscribeVerdict::Abstain => {}
                SubscribeVerdict::Allow(grant) => {
                    self.granted = Some(self.granted.map_or(grant, |before| decision::union(before, grant)));
                }
                SubscribeVerdict::Deny(denial) => return Err(Denied::by(&step.plugin, denial)),
            }
        }
        match self.granted {
            Some(grant) => Ok(Some(grant)),
            None if defaults.allow => Ok(Some(decision::EVERYTHING)),
            None => Err(Denied::nobody_allowed()),
        }
    }
}

impl Question for SubscribeQuestion {
    const HOOK: HookKind = HookKind::Subscribe;
    type Answer = Result<Grant, Denied>;

    fn channel(&self) -> Option<&Channel> {
        Some(&self.channel)
    }

    fn next(&self) -> NextStep {
        self.next
    }

    fn go_on(mut self, evaluation: Evaluation<'_>) -> Asked<Self> {
        match self.ask(evaluation) {
            Ok(Some(grant)) => Asked::Answered(Ok(grant)),
            Ok(None) => Asked::Paused(self),
            Err(denied) => Asked::Answered(Err(denied)),
        }
    }
}

fn call(step: &mut ChainStep, caller: &Arc<Caller>, key: CacheKey<'_>) -> Result<SubscribeVerdict, Denied> {
    match step.hook.subscribe(caller, key.channel) {
        Ok(response) => {
            if response.cache.is_some() || step.on_fault.subscribe == OnFault::Cached {
                let until = response.cache.map(|ttl| Instant::now() + ttl);
                let verdict = CachedVerdict::Subscribe(response.verdict.clone());
                caller.verdicts.lock().keep(key, verdict, until);
            }
            Ok(response.verdict)
        }
        Err(fault) => match step.on_fault.subscribe {
            OnFault::Allow => Ok(SubscribeVerdict::Allow(Grant::default())),
            OnFault::Cached => match caller.verdicts.lock().last(key) {
                Some(CachedVerdict::Subscribe(verdict)) => Ok(verdict),
                _ => Err(Denied::fault(&step.plugin, &fault)),
            },
            OnFault::Deny => Err(Denied::fault(&step.plugin, &fault)),
        },
    }
}
