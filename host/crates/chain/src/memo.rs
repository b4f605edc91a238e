//! What plugins said before to one caller: verdicts to reuse while fresh, or to fall back on after a fault.

use std::time::Instant;

use super::hook::{HookKind, PublishVerdict, SubscribeVerdict};

/// Verdicts a caller's memo holds at most; the oldest goes first.
const ENTRIES: usize = 256;

/// A verdict that can be said again without asking.
#[derive(Clone, Debug)]
pub(super) enum Remembered {
    Subscribe(SubscribeVerdict),
    Publish(PublishVerdict, Vec<(String, String)>),
}

#[derive(Debug)]
struct Entry {
    /// Which chain: a reload makes a new one, and what the old one said no longer holds.
    chain: u64,
    link: usize,
    hook: HookKind,
    channel: Box<str>,
    fresh_until: Option<Instant>,
    verdict: Remembered,
}

/// The memo of one caller.
#[derive(Debug, Default)]
pub(super) struct Memo {
    entries: Vec<Entry>,
}

/// Where in the chain a verdict was said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub chain: u64,
    pub link: usize,
    pub hook: HookKind,
    pub channel: &'a str,
}

impl Memo {
    fn find(&self, place: Place<'_>) -> Option<usize> {
        self.entries.iter().position(|e| {
            e.chain == place.chain && e.link == place.link && e.hook == place.hook && *e.channel == *place.channel
        })
    }

    /// The verdict that may be reused now.
    pub fn fresh(&self, place: Place<'_>, now: impl FnOnce() -> Instant) -> Option<Remembered> {
        // Most callers of most plugins never cache: the clock is read only for those that do.
        let entry = &self.entries[self.find(place)?];
        let until = entry.fresh_until?;
        (now() < until).then(|| entry.verdict.clone())
    }

    /// The last verdict, however old: for a fault whose rule is `cached`.
    pub fn last(&self, place: Place<'_>) -> Option<Remembered> {
        Some(self.entries[self.find(place)?].verdict.clone())
    }

    /// Remembers a verdict.
    pub fn keep(&mut self, place: Place<'_>, verdict: Remembered, fresh_until: Option<Instant>) {
        if let Some(index) = self.find(place) {
            self.entries.remove(index);
        } else if self.entries.len() == ENTRIES {
            self.entries.remove(0);
        }
        self.entries.push(Entry {
            chain: place.chain,
            link: place.link,
            hook: place.hook,
            channel: place.channel.into(),
            fresh_until,
            verdict,
        });
    }
}
