//! The epochs of a tenant's channels. They are known without the channels: one that nobody has used has an epoch all
//! the same, tells it to whoever reads, and begins with it when it is first used.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

/// Ended lives of channels that are remembered; beyond it all channels that are not open begin new epochs.
const ENDED_LIVES: usize = 16_384;

/// A channel's life begins when it is opened and ends when it is forgotten. In each life it has another epoch, so that no
/// position names two messages.
pub(super) struct Epochs {
    /// Of this run of the process, so that no epoch comes back after a restart.
    nonce: u64,
    /// Counts how often the ended lives were forgotten.
    generation: u64,
    /// How many lives with messages have ended in this generation, by the channel's hash.
    ended: HashMap<u64, u32, RandomState>,
    /// The epoch of all channels that have none of them.
    first: Arc<str>,
}

impl Epochs {
    pub(super) fn new(nonce: u64) -> Self {
        Self {
            nonce,
            generation: 0,
            ended: HashMap::default(),
            first: epoch(nonce, 0, 0),
        }
    }

    /// The epoch that a channel begins with if it is opened now.
    pub(super) fn next(&self, channel: u64) -> Arc<str> {
        match self.ended.get(&channel) {
            None => self.first.clone(),
            Some(lives) => epoch(self.nonce, self.generation, *lives),
        }
    }

    /// A channel that had messages is forgotten.
    pub(super) fn end(&mut self, channel: u64) {
        if self.ended.len() >= ENDED_LIVES && !self.ended.contains_key(&channel) {
            self.ended = HashMap::default();
            self.generation += 1;
            self.first = epoch(self.nonce, self.generation, 0);
        }
        *self.ended.entry(channel).or_default() += 1;
    }
}

fn epoch(nonce: u64, generation: u64, lives: u32) -> Arc<str> {
    match lives {
        0 => format!("{nonce:x}-{generation:x}"),
        lives => format!("{nonce:x}-{generation:x}.{lives:x}"),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_channel_has_one_epoch_until_a_life_with_messages_ends() {
        let mut epochs = Epochs::new(7);
        let (mine, other) = (epochs.next(1), epochs.next(2));
        assert_eq!(epochs.next(1), mine);
        epochs.end(1);
        assert_ne!(epochs.next(1), mine);
        assert_eq!(epochs.next(2), other);
    }

    #[test]
    fn no_epoch_comes_back_however_many_lives_end() {
        let mut epochs = Epochs::new(7);
        let mut had = HashSet::new();
        for channel in 0..2 * ENDED_LIVES as u64 + 5 {
            let own = channel % 3;
            assert!(had.insert((own, epochs.next(own))), "{channel}");
            epochs.end(own);
            epochs.end(channel + 100);
            assert!(epochs.ended.len() <= ENDED_LIVES);
        }
        assert!(epochs.generation > 0);
    }
}
