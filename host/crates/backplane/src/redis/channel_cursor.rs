//! One topic as this node receives it: which shards want it, whether Redis sends it, and up to which offset nothing is
//! missing. Decides what a message that arrives means; does nothing about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_client::jittered;
use tokio::sync::oneshot;

use super::partitions::Partition;
use crate::Publication;
use crate::open_channels::OpenChannel;
use config::ChannelSettings;
use protocol::Position;
use protocol::names::Topic;

/// Messages that are held at most while a gap is recovered; beyond it they are read from the history too.
const HELD: usize = 4096;

/// A topic that some shard wants, or did a moment ago.
pub(super) struct ChannelCursor {
    pub topic: Topic,
    pub partition: Partition,
    pub settings: Arc<ChannelSettings>,
    /// Tells this cursor from an earlier one of the same topic.
    pub generation: u64,
    /// The connection that is subscribed to it.
    pub on: Option<u64>,
    /// That it is open counts for whoever joined first.
    pub open: Option<OpenChannel>,
    /// Who waits until one is.
    pub waiters: Vec<oneshot::Sender<()>>,
    joins: Vec<u32>,
    received_to: ReceivedTo,
    /// First and last offset of what was passed on in a row while `received_to` is `Read`: who reads less of the history
    /// later is held in the hub already, and has got it.
    passed: Option<(u64, u64)>,
    /// The connection was not lost since: what was published after `received_to` was also received.
    unbroken: bool,
    recovering: Option<HeldMessages>,
    received_at: Instant,
    check_at: Instant,
}

/// Up to which offset nothing is missing.
#[derive(Debug, PartialEq, Eq)]
enum ReceivedTo {
    /// No local subscriber has read the history.
    Unknown,
    /// At least one local subscriber has everything up to this position, and none has less; what is up to it may still
    /// arrive.
    Read(Position),
    /// All that came was passed on up to this place.
    Live(Position),
}

/// What arrives while a gap is recovered.
#[derive(Default)]
struct HeldMessages {
    publications: Vec<Arc<Publication>>,
    /// Some were not held: they have to be read as well.
    spilled: bool,
    /// So many were held when the history was read: they were published before.
    before_read: usize,
}

/// What is to be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Deliver,
    /// It was passed on before, or is held.
    Nothing,
    /// Something before it is missing: recover the gap. It is held.
    Recover,
}

impl ChannelCursor {
    pub(super) fn new(
        (topic, partition): (Topic, Partition),
        settings: Arc<ChannelSettings>,
        generation: u64,
        shards: usize,
        check: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            topic,
            partition,
            settings,
            generation,
            on: None,
            open: None,
            waiters: Vec::new(),
            joins: vec![0; shards],
            received_to: ReceivedTo::Unknown,
            passed: None,
            unbroken: false,
            recovering: None,
            received_at: now,
            check_at: now + jittered(check),
        }
    }

    pub(super) fn join(&mut self, shard: usize) {
        self.joins[shard] += 1;
    }

    pub(super) fn leave(&mut self, shard: usize) {
        self.joins[shard] = self.joins[shard].saturating_sub(1);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.joins.iter().any(|joins| *joins > 0)
    }

    /// The shards that want it.
    pub(super) fn shards(&self) -> impl Iterator<Item = usize> {
        let joined = self.joins.iter().enumerate().filter(|(_, joins)| **joins > 0);
        joined.map(|(shard, _)| shard)
    }

    /// How many subscriptions it serves.
    pub(super) fn subscriptions(&self) -> u64 {
        self.joins.iter().map(|joins| u64::from(*joins)).sum()
    }

    /// The connection is subscribed. Gives whether something may be missing since the last one was.
    pub(super) fn confirm(&mut self, connection: u64) -> bool {
        self.on = Some(connection);
        for waiter in self.waiters.drain(..) {
            // Who went away meanwhile gives its join back itself.
            let _gone = waiter.send(());
        }
        let may_miss = !self.unbroken && self.received_to != ReceivedTo::Unknown;
        self.unbroken = !may_miss;
        may_miss
    }

    /// The connection is lost.
    pub(super) fn lose(&mut self) {
        self.on = None;
        self.passed = None;
        self.unbroken = false;
    }

    /// Someone here read the history up to `newest`.
    pub(super) fn learn(&mut self, newest: &Position) {
        match &mut self.received_to {
            ReceivedTo::Unknown => self.received_to = ReceivedTo::Read(newest.clone()),
            ReceivedTo::Read(at) if at.epoch == newest.epoch => {
                let has = match self.passed {
                    Some((first, last)) if first <= newest.offset + 1 => newest.offset.max(last),
                    _ => newest.offset,
                };
                at.offset = at.offset.min(has);
            }
            ReceivedTo::Read(_) | ReceivedTo::Live(_) => {}
        }
    }

    pub(super) fn take(&mut self, publication: &Arc<Publication>) -> Next {
        self.received_at = Instant::now();
        let Some(position) = &publication.position else {
            return Next::Deliver;
        };
        if let Some(held) = &mut self.recovering {
            held.push(publication);
            return Next::Nothing;
        }
        let next = match &self.received_to {
            ReceivedTo::Unknown => Next::Deliver,
            ReceivedTo::Read(at) | ReceivedTo::Live(at) if at.epoch != position.epoch => {
                // All of the old epoch has arrived, and this is the first of a new one.
                if self.unbroken && position.offset == 1 {
                    Next::Deliver
                } else {
                    Next::Recover
                }
            }
            ReceivedTo::Read(at) | ReceivedTo::Live(at) if position.offset > at.offset + 1 => Next::Recover,
            ReceivedTo::Read(at) | ReceivedTo::Live(at) if position.offset == at.offset + 1 => Next::Deliver,
            // Those who read less of the history wait for it; the hub knows who has it.
            ReceivedTo::Read(_) => {
                let offset = position.offset;
                self.passed = match self.passed {
                    Some((first, last)) if offset <= last => Some((first, last)),
                    Some((first, last)) if offset == last + 1 => Some((first, offset)),
                    _ => Some((offset, offset)),
                };
                return Next::Deliver;
            }
            ReceivedTo::Live(_) => return Next::Nothing,
        };
        match next {
            Next::Recover => {
                let mut held = HeldMessages::default();
                held.push(publication);
                self.recovering = Some(held);
            }
            _ => self.received_to = ReceivedTo::Live(position.clone()),
        }
        next
    }

    /// Begins to recover a gap. False: one is being recovered, and that now goes on a little longer.
    pub(super) fn begin_recovery(&mut self) -> bool {
        if let Some(held) = &mut self.recovering {
            held.spilled = true;
            return false;
        }
        self.recovering = Some(HeldMessages::default());
        true
    }

    /// From where to read. None: no local subscriber has a history, so nothing can be missing.
    pub(super) fn recover_from(&mut self) -> Option<Position> {
        match &self.received_to {
            ReceivedTo::Unknown => {
                self.recovering = None;
                None
            }
            ReceivedTo::Read(at) | ReceivedTo::Live(at) => {
                if let Some(held) = &mut self.recovering {
                    held.before_read = held.publications.len();
                }
                Some(at.clone())
            }
        }
    }

    /// Everything up to `newest` was passed on: gives what was held after it, up to the next gap.
    /// `None`: nothing is left to do. An empty list: read again.
    pub(super) fn recovered(&mut self, newest: &Position) -> Option<Vec<Arc<Publication>>> {
        let mut at = newest.clone();
        let held = self.recovering.as_mut()?;
        let before_read = std::mem::take(&mut held.before_read);
        let mut next = Vec::new();
        let mut rest = Vec::new();
        for (place, publication) in held.publications.drain(..).enumerate() {
            let Some(position) = publication.position.clone() else {
                continue;
            };
            if position.epoch != at.epoch {
                // Of an epoch that was over when the history was read, or of one that began since.
                if place >= before_read {
                    rest.push(publication);
                }
            } else if position.offset > at.offset + 1 {
                rest.push(publication);
            } else if position.offset == at.offset + 1 {
                at = position;
                next.push(publication);
            }
        }
        held.publications = rest;
        self.received_to = ReceivedTo::Live(at);
        if next.is_empty() && held.publications.is_empty() && !std::mem::take(&mut held.spilled) {
            self.recovering = None;
            self.unbroken = self.on.is_some();
            return None;
        }
        Some(next)
    }

    /// Whether it is time to see if a quiet channel is as quiet in Redis.
    pub(super) fn is_check_due(&mut self, now: Instant, every: Duration) -> bool {
        if now < self.check_at || self.on.is_none() || self.settings.history.is_none() {
            return false;
        }
        self.check_at = now + jittered(every);
        now.saturating_duration_since(self.received_at) >= every / 2
    }
}

impl HeldMessages {
    fn push(&mut self, publication: &Arc<Publication>) {
        if self.publications.len() < HELD {
            self.publications.push(publication.clone());
        } else {
            self.spilled = true;
        }
    }
}

#[cfg(test)]
mod tests;
