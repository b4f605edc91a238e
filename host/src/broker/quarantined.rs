//! Tenants that are quarantined, as the operator sees them.

use std::fmt;
use std::sync::Arc;

use printable::printable;

use config::Problem;

/// Bytes of one reason in logs and on `/readyz`; guests choose parts of them.
const REASON_BYTES: usize = 512;

/// A tenant whose plugins failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuarantinedTenant {
    pub name: Arc<str>,
    /// Whether it runs as it did before the reload; else its clients are sent away.
    pub keeps: bool,
    /// The first thing that was wrong: one line, without what could do harm in a log.
    pub reason: String,
}

// === impl QuarantinedTenant ===

impl QuarantinedTenant {
    /// What it means for its clients.
    pub(super) fn consequence(&self) -> &'static str {
        if self.keeps {
            "it keeps the settings and plugins that it had"
        } else {
            "its clients are sent away"
        }
    }
}

impl fmt::Display for QuarantinedTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.name, self.consequence(), self.reason)
    }
}

/// A problem as one line for the log.
pub(super) fn reason(problem: &Problem) -> String {
    printable(&problem.to_string(), REASON_BYTES).into_owned()
}
