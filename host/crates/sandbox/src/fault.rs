//! What went wrong inside a call, put into the chain's words.

use std::time::Duration;

use printable::printable;
use thiserror::Error;
use wasmtime::Trap;

use super::limits::InstanceLimits;
use chain::Fault;

/// Bytes of a cause that are kept.
const CAUSE_BYTES: usize = 512;

/// The guest used a host function against the contract.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Misuse(String);

impl Misuse {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// The guest called a part of WASI that is linked but refuses, or ended itself.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct WasiRefused(pub(super) String);

/// The fault that ended a call with `error`.
pub(super) fn classify(error: &wasmtime::Error, limits: &InstanceLimits, deadline: Duration) -> Fault {
    if let Some(misuse) = error.downcast_ref::<Misuse>() {
        return Fault::BadOutput(cut(misuse.to_string()));
    }
    if let Some(Trap::Interrupt) = error.downcast_ref::<Trap>() {
        return Fault::Deadline(deadline);
    }
    // A guest that is refused memory mostly aborts, so the trap says little.
    if limits.refused {
        return Fault::Memory(limits.max_bytes);
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Fault::Trap(trap.to_string());
    }
    if let Some(refused) = error.downcast_ref::<WasiRefused>() {
        return Fault::Trap(cut(refused.to_string()));
    }
    // What is left went wrong between guest and host: a pointer out of bounds, a string that is no
    // UTF-8, an unknown variant, more data than a call may carry.
    // The root of it: what is around that is a backtrace of many lines.
    Fault::BadOutput(cut(error.root_cause().to_string()))
}

/// The word for a fault in logs and metrics.
pub(super) fn kind(fault: &Fault) -> FaultKind {
    match fault {
        Fault::Trap(_) => FaultKind::Trap,
        Fault::Deadline(_) => FaultKind::Deadline,
        Fault::Memory(_) => FaultKind::Memory,
        Fault::BadOutput(_) => FaultKind::BadOutput,
        Fault::Host(_) => FaultKind::Host,
        Fault::Unavailable(_) => FaultKind::Unavailable,
        Fault::Suspended(_) => FaultKind::Suspended,
    }
}

/// Label `kind` of `sluicegate_plugin_faults_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Trap,
    Deadline,
    Memory,
    BadOutput,
    Host,
    Unavailable,
    Suspended,
}

impl FaultKind {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 7] = [
        Self::Trap,
        Self::Deadline,
        Self::Memory,
        Self::BadOutput,
        Self::Host,
        Self::Unavailable,
        Self::Suspended,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::BadOutput => "bad_output",
            Self::Host => "host",
            Self::Unavailable => "unavailable",
            Self::Suspended => "suspended",
        }
    }
}

/// Guests choose parts of these texts, and logs and terminals show them.
pub(super) fn cut(text: String) -> String {
    printable(&text, CAUSE_BYTES).into_owned()
}
