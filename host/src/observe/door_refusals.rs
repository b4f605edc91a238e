//! Whom the door of the node sends away, by the reason.

use prometheus::{IntCounter, IntCounterVec};

/// Why somebody may not come in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorRefusalKind {
    AddressConnections,
    AddressUnderWay,
    AddressRate,
    FailedAuth,
    NodeRate,
    Lag,
    Memory,
    ProxyHeader,
}

/// A counter for each reason.
#[derive(Clone)]
pub(super) struct DoorRefusals([IntCounter; DoorRefusalKind::ALL.len()]);

// === impl DoorRefusalKind ===

impl DoorRefusalKind {
    const ALL: [Self; 8] = [
        Self::AddressConnections,
        Self::AddressUnderWay,
        Self::AddressRate,
        Self::FailedAuth,
        Self::NodeRate,
        Self::Lag,
        Self::Memory,
        Self::ProxyHeader,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::AddressConnections => "address_connections",
            Self::AddressUnderWay => "address_handshakes",
            Self::AddressRate => "address_rate",
            Self::FailedAuth => "failed_auth",
            Self::NodeRate => "node_rate",
            Self::Lag => "lag",
            Self::Memory => "memory",
            Self::ProxyHeader => "proxy_header",
        }
    }
}

// === impl DoorRefusals ===

impl DoorRefusals {
    pub(super) const NAME: &str = "sluicegate_door_refusals_total";
    pub(super) const HELP: &str =
        "Connections and handshakes that were refused by server.door, or for their PROXY header, by the reason.";
    pub(super) const LABELS: [&str; 1] = ["what"];

    /// All reasons, at zero.
    pub(super) fn new(counters: &IntCounterVec) -> Self {
        Self(DoorRefusalKind::ALL.map(|kind| counters.with_label_values(&[kind.name()])))
    }

    pub(super) fn count(&self, kind: DoorRefusalKind) {
        self.0[kind as usize].inc();
    }
}
