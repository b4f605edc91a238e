//! What must be true of every history, whatever happened in it. Pure: a history in, violations out.

mod chains;
mod facts;
mod usage;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::history::Event;
pub(super) use usage::usage;

/// How long a publish may be without an answer on an open connection, as long as nobody is paused for longer.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Promise {
    /// The offsets of an epoch are 1, 2, 3, …; what nobody knows of was an unanswered publish.
    Contiguous,
    /// Offsets only grow for each receiver.
    Increasing,
    /// Whoever sees an offset sees the same message there.
    Same,
    /// A subscription has no hole, and neither has a recovery.
    NoHole,
    /// What was acknowledged reaches everybody who stayed or recovered.
    AckedArrives,
    /// A key is one message in an epoch, and what comes was published.
    OncePerKey,
    /// Nothing comes after a subscription's end was acknowledged.
    Revoked,
    /// Every request is answered, or its connection ends.
    Answered,
    /// What was taken is given back.
    GivenBack,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    /// Which.
    pub promise: Promise,
    /// What shows it.
    pub evidence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.evidence)
    }
}

fn broken(promise: Promise, evidence: String) -> Violation {
    Violation { promise, evidence }
}

/// Every promise that this history breaks.
pub(super) fn check(events: &[Event]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let followed = chains::follow(events, &mut violations);
    let facts = facts::gather(events, &mut violations);
    facts.contiguous(&mut violations);
    facts.once_per_key(&mut violations);
    chains::acked_arrives(&followed, &facts, &mut violations);
    violations.extend(facts::unanswered(events));
    violations
}
