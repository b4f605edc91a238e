//! Earlier verdicts about one caller: reused while they are fresh, or after a fault whose rule is `cached`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::kind::HookKind;
use super::verdict::{Denial, PublishVerdict, SubscribeVerdict};

/// Verdicts of one caller at most; the oldest goes first.
const ENTRIES: usize = 256;
/// Bytes of them at most: an idle connection keeps them as long as it lives.
const BYTES: usize = 64 * 1024;

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
    /// The oldest is in front.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Counts the bytes of this cache and of others.
    counted_in: Option<Arc<AtomicUsize>>,
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
    /// From now on what it takes is counted there.
    pub(crate) fn count_in(&mut self, bytes: Option<Arc<AtomicUsize>>) {
        self.tell(self.bytes, 0);
        self.counted_in = bytes;
        self.tell(0, self.bytes);
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.entries = VecDeque::new();
        let before = std::mem::take(&mut self.bytes);
        self.tell(before, 0);
    }

    /// It took `before` bytes, and takes `now`.
    fn tell(&self, before: usize, now: usize) {
        if let Some(all) = self.counted_in.as_ref().filter(|_| before != now) {
            // Wraps around, and so takes away what is less.
            all.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        }
    }

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
        let before = self.bytes;
        self.put(key, verdict, fresh_until);
        self.tell(before, self.bytes);
    }

    fn put(&mut self, key: CacheKey<'_>, verdict: CachedVerdict, fresh_until: Option<Instant>) {
        if let Some(old) = self.find(key).and_then(|index| self.entries.remove(index)) {
            self.bytes -= old.bytes();
        }
        let entry = Entry {
            chain: key.chain,
            step: key.step,
            hook: key.hook,
            channel: key.channel.into(),
            fresh_until,
            verdict,
        };
        let bytes = entry.bytes();
        if bytes > BYTES {
            return;
        }
        while self.entries.len() == ENTRIES || self.bytes + bytes > BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
        self.bytes += bytes;
        self.entries.push_back(entry);
    }
}

impl Drop for VerdictCache {
    fn drop(&mut self) {
        self.clear();
    }
}

// === impl Entry ===

impl Entry {
    /// What it takes, but for what allocating takes.
    fn bytes(&self) -> usize {
        let verdict = match &self.verdict {
            CachedVerdict::Subscribe(SubscribeVerdict::Deny(denial)) => denial_bytes(denial),
            CachedVerdict::Subscribe(SubscribeVerdict::Abstain | SubscribeVerdict::Allow(_)) => 0,
            CachedVerdict::Publish(verdict, tags) => {
                let tags = tags
                    .iter()
                    .map(|(key, value)| size_of::<(String, String)>() + key.len() + value.len());
                tags.sum::<usize>()
                    + match verdict {
                        PublishVerdict::Deny(denial) => denial_bytes(denial),
                        PublishVerdict::Replace(data) => data.len(),
                        PublishVerdict::Abstain | PublishVerdict::Allow | PublishVerdict::Discard => 0,
                    }
            }
        };
        size_of::<Self>() + self.channel.len() + verdict
    }
}

fn denial_bytes(denial: &Denial) -> usize {
    denial.reason.len() + denial.message.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(channel: &str) -> CacheKey<'_> {
        CacheKey {
            chain: 1,
            step: 0,
            hook: HookKind::Publish,
            channel,
        }
    }

    fn tagged(bytes: usize) -> CachedVerdict {
        let tags = (0..8).map(|n| (format!("tag{n}"), "x".repeat(bytes)));
        CachedVerdict::Publish(PublishVerdict::Allow, tags.collect())
    }

    #[test]
    fn many_large_verdicts_are_bounded_in_bytes_and_the_oldest_goes_first() {
        let mut cache = VerdictCache::default();
        let channels: Vec<String> = (0..256).map(|n| format!("room:{n}")).collect();
        for channel in &channels {
            cache.keep(key(channel), tagged(256), None);
        }
        let taken: usize = cache.entries.iter().map(Entry::bytes).sum();
        assert_eq!(taken, cache.bytes);
        assert!(
            taken <= BYTES && cache.entries.len() > 20,
            "{taken} in {}",
            cache.entries.len()
        );
        assert!(cache.last(key("room:255")).is_some() && cache.last(key("room:0")).is_none());
    }

    #[test]
    fn small_verdicts_are_bounded_in_number_and_a_new_one_takes_the_place_of_the_old() {
        let mut cache = VerdictCache::default();
        for n in 0..1_000 {
            cache.keep(key(&format!("c{n}")), tagged(0), None);
        }
        let found = (0..1_000).filter(|n| cache.last(key(&format!("c{n}"))).is_some());
        let found: Vec<usize> = found.collect();
        assert_eq!(
            (found.first(), found.last()),
            (Some(&(1_000 - found.len())), Some(&999))
        );
        let (before, bytes) = (cache.entries.len(), cache.bytes);
        for _ in 0..1_000 {
            cache.keep(key("c999"), tagged(0), None);
        }
        assert_eq!((cache.entries.len(), cache.bytes), (before, bytes));
    }

    #[test]
    fn what_it_takes_is_counted_together_with_others_and_given_back() {
        let all = Arc::new(AtomicUsize::new(0));
        let mut caches = [(); 2].map(|()| VerdictCache::default());
        caches[0].keep(key("early"), tagged(1), None);
        for cache in &mut caches {
            cache.count_in(Some(all.clone()));
            for n in 0..1_000 {
                cache.keep(key(&format!("c{}", n % 300)), tagged(n % 7), None);
            }
        }
        let counted = || all.load(Ordering::Relaxed);
        assert_eq!(counted(), caches[0].bytes + caches[1].bytes);
        let [mut one, two] = caches;
        one.clear();
        assert_eq!(counted(), two.bytes);
        drop((one, two));
        assert_eq!(counted(), 0);
    }

    #[test]
    fn one_that_never_fits_is_not_kept_and_nothing_goes_for_it() {
        let mut cache = VerdictCache::default();
        cache.keep(key("a"), tagged(1), None);
        cache.keep(key("b"), tagged(BYTES), None);
        assert!(cache.last(key("a")).is_some() && cache.last(key("b")).is_none());
    }
}
