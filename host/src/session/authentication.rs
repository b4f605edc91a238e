//! What the door of the node has to do with tokens: who fails too often, or connects too often, has to wait.

use std::time::Duration;

use super::context::Context;
use super::refusal::Refusal;
use chain::{Denied, Identity};
use protocol::codes;
use registry::AdmissionError;

impl Context {
    /// Refuses whoever's address failed to authenticate too often. Asked before the plugins are.
    pub(super) fn check_penalty(&self) -> Result<(), Refusal> {
        match self.shard.common.doorkeeper.penalty(self.caller.remote) {
            None => Ok(()),
            Some(left) => Err(wait_for(
                "too many authentications from this address failed; try again later",
                left,
            )),
        }
    }

    /// Counts an authentication that failed.
    pub(super) fn authenticated(&self, answer: Result<Identity, Denied>) -> Result<Identity, Denied> {
        answer.inspect_err(|denied| {
            if denied.code == codes::NOT_AUTHENTICATED.number {
                self.shard.common.doorkeeper.failed(self.caller.remote);
            }
        })
    }

    /// Counts a token that is revoked: it is an authentication that failed, too.
    pub(super) fn not_revoked<T>(&self, checked: Result<T, AdmissionError>) -> Result<T, AdmissionError> {
        checked.inspect_err(|error| {
            if *error == AdmissionError::Revoked {
                self.shard.common.doorkeeper.failed(self.caller.remote);
                self.tenant.metrics.revoked.inc();
            }
        })
    }

    /// Counts a connect of the user who turned out to be there.
    pub(super) fn count_connect(&self, identity: &Identity) -> Result<(), Refusal> {
        let Some(user) = &identity.user else {
            return Ok(());
        };
        let counted = self.place.connect(user, &self.tenant.settings().limits);
        counted.map_err(|wait| {
            self.tenant.metrics.throttled_by_user.inc();
            wait_for("this user connects too often; try again later", wait)
        })
    }
}

fn wait_for(sentence: &'static str, wait: Duration) -> Refusal {
    let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    // What is left of a millisecond counts as one.
    Refusal::retry_after(codes::RATE_LIMITED, sentence, ms.saturating_add(1))
}
