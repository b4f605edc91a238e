//! Who a connection is, or still is.

use std::sync::Arc;

use super::{Asked, Evaluation, NextStep, Question, asked};
use crate::decision::Denied;
use crate::handshake::Handshake;
use crate::hook::OnFault;
use crate::kind::HookKind;
use crate::verdict::{ConnectVerdict, Identity};
use protocol::names::Channel;

/// Asks who the caller is (`handshake.is_refresh`: still is). Plugins after the one that accepted see whom it named; while
/// the question pauses, and after it, the caller has its earlier identity until the session calls
/// [`Caller::identify`](crate::Caller::identify).
#[derive(Debug)]
pub struct ConnectQuestion {
    handshake: Arc<Handshake>,
    accepted: Option<Identity>,
    next: NextStep,
}

impl ConnectQuestion {
    pub fn new(handshake: Handshake) -> Self {
        Self {
            handshake: Arc::new(handshake),
            accepted: None,
            next: NextStep::default(),
        }
    }

    /// Asks the steps that are left. None: it pauses.
    fn ask(&mut self, evaluation: &mut Evaluation<'_>) -> Result<Option<Identity>, Denied> {
        let Evaluation {
            chain,
            steps,
            defaults,
            caller,
            pauses,
            ..
        } = evaluation;
        if self.next.is_of_another(*chain) {
            self.accepted = None;
        }
        if let Some(identity) = &self.accepted {
            caller.show(identity.clone());
        }
        for (index, step) in asked(steps, HookKind::Connect, self.next.index_in(*chain)) {
            if pauses.before_call() {
                self.next = NextStep::of(*chain, index);
                return Ok(None);
            }
            let verdict = match step.hook.connect(&self.handshake, caller) {
                Ok(response) => response.verdict,
                Err(fault) => match step.on_fault.connect {
                    OnFault::Allow => ConnectVerdict::Accept(Identity::default()),
                    OnFault::Deny | OnFault::Cached => {
                        return Err(Denied::fault(&step.plugin, &fault));
                    }
                },
            };
            match verdict {
                ConnectVerdict::Abstain => {}
                ConnectVerdict::Accept(identity) => {
                    if self.accepted.is_none() {
                        caller.show(identity.clone());
                        self.accepted = Some(identity);
                    }
                }
                ConnectVerdict::Deny(denial) => return Err(Denied::by(&step.plugin, denial)),
            }
        }
        match self.accepted.take() {
            Some(identity) => Ok(Some(identity)),
            None if defaults.anonymous => Ok(Some(Identity::default())),
            None => Err(Denied::not_authenticated()),
        }
    }
}

impl Question for ConnectQuestion {
    const HOOK: HookKind = HookKind::Connect;
    type Answer = Result<Identity, Denied>;

    fn channel(&self) -> Option<&Channel> {
        None
    }

    fn next(&self) -> NextStep {
        self.next
    }

    fn go_on(mut self, mut evaluation: Evaluation<'_>) -> Asked<Self> {
        let caller = evaluation.caller;
        let before = caller.identity();
        let outcome = self.ask(&mut evaluation);
        let named = caller.user();
        caller.show(before);
        match outcome {
            Ok(Some(identity)) => Asked::Answered(Ok(identity)),
            Ok(None) => Asked::Paused(self),
            Err(denied) => Asked::Answered(Err(denied.of(named))),
        }
    }
}
