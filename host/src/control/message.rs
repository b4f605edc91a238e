//! What nodes send each other, as JSON.

use serde::{Deserialize, Serialize};

use super::order::{Order, Report};

/// A message from one node to another, or to all.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub(super) enum ControlMessage {
    /// Carry this out, and report to the instance that asks.
    Order {
        number: u64,
        asker: String,
        order: Order,
    },
    /// The report about an order.
    Report {
        number: u64,
        instance: String,
        result: Result<Report, String>,
    },
    /// Answer, if you live.
    Ping {
        asker: String,
    },
    Pong {
        instance: String,
    },
}

impl ControlMessage {
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a control message can be written")
    }
}
