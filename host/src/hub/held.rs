//! Envelopes that are held for a listener while its history is read.

use std::rc::Rc;

use super::client_connection::ClientConnection;
use backplane::{Envelope, Publication};

/// Envelopes that are held for one listener at most; beyond it the subscription ends with 4002. Their bytes are bounded
/// for all listeners of a connection together, by its outbox's limit.
const HELD_ENVELOPES: usize = 4096;
/// What an envelope counts beside its data.
const ENVELOPE_BYTES: usize = size_of::<Publication>();

pub(super) struct HeldEnvelopes {
    envelopes: Vec<Envelope>,
    bytes: usize,
    client: Rc<ClientConnection>,
}

impl HeldEnvelopes {
    pub(super) fn new(client: &Rc<ClientConnection>) -> Self {
        Self {
            envelopes: Vec::new(),
            bytes: 0,
            client: client.clone(),
        }
    }

    /// Holds one more. Returns whether there is room.
    pub(super) fn push(&mut self, envelope: &Envelope) -> bool {
        let data = match envelope {
            Envelope::Message(publication) => publication.data.len(),
            Envelope::Presence(_) | Envelope::Lost(_) => 0,
        };
        let bytes = data + ENVELOPE_BYTES;
        if self.envelopes.len() >= HELD_ENVELOPES || !self.client.hold(bytes) {
            return false;
        }
        self.bytes += bytes;
        self.envelopes.push(envelope.clone());
        true
    }

    /// Takes all of them, to be delivered now.
    pub(super) fn take(&mut self) -> Vec<Envelope> {
        std::mem::take(&mut self.envelopes)
    }
}

impl Drop for HeldEnvelopes {
    fn drop(&mut self) {
        self.client.let_go(self.bytes);
    }
}
