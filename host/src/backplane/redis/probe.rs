//! What was heard of what this node published to itself.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// Names tried until one lies on the server that is asked about: with a sixteenth of the slots it fails once in
/// `(15/16)^2000`.
pub(super) const ATTEMPTS: usize = 2000;

/// The last word heard in each probe's channel.
#[derive(Default)]
pub(super) struct Probes(Mutex<HashMap<Arc<str>, Box<[u8]>, RandomState>>);

impl Probes {
    /// Whether `nonce` was the last.
    pub fn heard(&self, channel: &str, nonce: &str) -> bool {
        self.0
            .lock()
            .get(channel)
            .is_some_and(|last| **last == *nonce.as_bytes())
    }

    /// A probe of ours is listened for.
    pub fn expect(&self, channel: &Arc<str>) {
        self.0.lock().insert(channel.clone(), Box::default());
    }

    /// Something was heard, in a channel that may be one of ours.
    pub fn hear_ours(&self, channel: &str, nonce: &[u8]) {
        if let Some(last) = self.0.lock().get_mut(channel) {
            *last = nonce.into();
        }
    }
}
