//! Earlier verdicts about one caller: reused while they are fresh, or after a fault whose rule is `cached`.

use std::time::Instant;

use super::kind::HookKind;
use super::verdict::{PublishVerdict, SubscribeVerdict};

/// Verdicts of one caller at most; the oldest goes first.
const ENTRIES: usize = 256;

/// A verdict that can be used again without asking the plugin.
#[derive(Clone, Debug)]
pub(super) enum CachedVerdict {
    Subscribe(SubscribeVerdict),
    Publish(PublishVerdict, Vec<(String, String)>),
}

#[derive(Debug)]
struct Entry {
    /// The chain's serial number: a reload makes a new chain, and verdicts of the old one no longer count.
    chain: u64,
    step: usize,
    hook: HookKind,
    channel: Box<str>,
    fresh_until: Option<Instant>,
    verdict: CachedVerdict,
}

/// The verdicts about one caller.
#[derive(Debug, Default)]
pub(super) struct VerdictCache {
    entries: Vec<Entry>,
}

/// Which hook of which plugin gave a verdict, and on which channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheKey<'a> {
    pub chain: u64,
    pub step: usize,
    pub hook: HookKind,
    pub channel: &'a str,
}

impl VerdictCache {
    fn find(&self, key: CacheKey<'_>) -> Option<usize> {
        self.entries.iter().position(|e| {
            e.chain == key.chain && e.step == key.step && e.hook == key.hook && *e.channel == *key.channel
        })
    }

    /// The verdict that may be reused now.
    pub(crate) fn fresh(&self, key: CacheKey<'_>, now: impl FnOnce() -> Instant) -> Option<CachedVerdict> {
        // Most callers of most plugins never cache: the clock is read only for those that do.
        let entry = &self.entries[self.find(key)?];
        let until = entry.fresh_until?;
        (now() < until).then(|| entry.verdict.clone())
    }

    /// The last verdict, however old: for a fault whose rule is `cached`.
    pub(crate) fn last(&self, key: CacheKey<'_>) -> Option<CachedVerdict> {
        Some(self.entries[self.find(key)?].verdict.clone())
    }

    pub(crate) fn keep(&mut self, key: CacheKey<'_>, verdict: CachedVerdict, fresh_until: Option<Instant>) {
        if let Some(index) = self.find(key) {
            self.entries.remove(index);
        } else if self.entries.len() == ENTRIES {
            self.entries.remove(0);
        }
        self.entries.push(Entry {
            chain: key.chain,
            step: key.step,
            hook: key.hook,
            channel: key.channel.into(),
            fresh_until,
            verdict,
        });
    }
}
