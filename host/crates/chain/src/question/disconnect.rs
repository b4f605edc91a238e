//! What plugins are told at the end of a connection.

use std::sync::Arc;

use super::{Asked, Evaluation, NextStep, Question, asked};
use crate::kind::HookKind;
use protocol::names::Channel;

/// Tells every plugin that the connection is over. A fault changes nothing: the sandbox logs it.
#[derive(Debug)]
pub struct DisconnectQuestion {
    code: u16,
    next: NextStep,
    /// The plugins that were told. In a chain that takes the place of theirs they do not hear it again.
    told: Vec<Arc<str>>,
    /// Of those, which an earlier chain told and this one still has to leave out.
    left_out: Vec<Arc<str>>,
}

impl DisconnectQuestion {
    /// `code`: with which the connection was closed.
    pub fn new(code: u16) -> Self {
        Self {
            code,
            next: NextStep::default(),
            told: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

impl Question for DisconnectQuestion {
    const HOOK: HookKind = HookKind::Disconnect;
    type Answer = ();

    fn channel(&self) -> Option<&Channel> {
        None
    }

    fn next(&self) -> NextStep {
        self.next
    }

    fn go_on(mut self, evaluation: Evaluation<'_>) -> Asked<Self> {
        let Evaluation {
            chain,
            steps,
            caller,
            mut pauses,
            ..
        } = evaluation;
        if self.next.is_of_another(chain) {
            self.left_out.clone_from(&self.told);
        }
        for (index, step) in asked(steps, HookKind::Disconnect, self.next.index_in(chain)) {
            // A chain may name a plugin twice, so each telling counts for one step.
            if let Some(place) = self.left_out.iter().position(|plugin| *plugin == step.plugin) {
                self.left_out.swap_remove(place);
                continue;
            }
            if pauses.before_call() {
                self.next = NextStep::of(chain, index);
                return Asked::Paused(self);
            }
            drop(step.hook.disconnect(caller, self.code));
            self.told.push(step.plugin.clone());
        }
        Asked::Answered(())
    }
}
