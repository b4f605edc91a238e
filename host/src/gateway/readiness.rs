//! Whether a load balancer should send clients to this node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::observe::AuditLog;
use backplane::Backplane;
use relay::Relay;

/// Quarantined tenants that are shown at most.
const SHOWN: usize = 100;

/// Shared by all clones.
#[derive(Clone)]
pub(crate) struct Readiness {
    serves: Arc<AtomicBool>,
    /// A line for each quarantined tenant.
    quarantined: Arc<ArcSwap<Vec<String>>>,
    backplane: Arc<dyn Backplane>,
    /// Brings posts of other nodes, if there are any.
    relay: Option<Arc<Relay>>,
    /// Whether the pushed tenants were read.
    has_tenants: watch::Receiver<bool>,
    audit: AuditLog,
}

impl Readiness {
    /// Not ready yet; and never while messages do not get through `backplane`, or posts through `relay`, or before `has_tenants`.
    pub(crate) fn new(
        backplane: Arc<dyn Backplane>,
        relay: Option<Arc<Relay>>,
        has_tenants: watch::Receiver<bool>,
        audit: AuditLog,
    ) -> Self {
        Self {
            serves: Arc::default(),
            quarantined: Arc::default(),
            backplane,
            relay,
            has_tenants,
            audit,
        }
    }

    /// Whether the node serves clients from now on.
    pub(crate) fn set(&self, ready: bool) {
        self.serves.store(ready, Ordering::Relaxed);
    }

    /// These tenants are quarantined, and no others. The node is ready all the same: other nodes fail at the same plugins.
    pub(crate) fn quarantine(&self, lines: Vec<String>) {
        self.quarantined.store(Arc::new(lines));
    }

    /// What is wrong though the node is ready: a line for each quarantined tenant, and one for an audit log that takes no line.
    /// It is for operators, and clients are served without it.
    pub(super) fn remarks(&self) -> String {
        let failure = self.audit.failure();
        let lines = self.quarantined.load();
        let shown = lines.iter().take(SHOWN).map(String::as_str);
        let more = lines.len().saturating_sub(SHOWN);
        let more = (more > 0).then(|| format!("{more} more"));
        let remarks = shown
            .chain(more.as_deref())
            .flat_map(|line| ["quarantined: ", line, "\n"]);
        let audit = failure.iter().flat_map(|why| ["audit log: ", why, "\n"]);
        remarks.chain(audit).collect()
    }

    /// Why the node is not ready; none if it is.
    pub(crate) fn hindrance(&self) -> Option<String> {
        let serves = self.serves.load(Ordering::Relaxed);
        // The backplane first: until it is there, a node does not know whether its name is its own, and does not start.
        let backplane = self.backplane.hindrance();
        let relay = || self.relay.as_ref().and_then(|relay| relay.hindrance());
        let tenants = || (!*self.has_tenants.borrow()).then(|| "the pushed tenants are not read yet".to_owned());
        backplane
            .or_else(|| (!serves).then(|| "starting or draining".to_owned()))
            .or_else(relay)
            .or_else(tenants)
    }
}
