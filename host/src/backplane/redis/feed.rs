//! One topic as this node hears it: who wants it, whether Redis sends it, and up to where it was heard without
//! a hole. Decides what a message that arrives means; does nothing about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::backoff::jittered;
use crate::backplane::Publication;
use crate::config::ChannelSettings;
use crate::protocol::Position;
use crate::protocol::names::Topic;

/// Messages that are held at most while a hole is filled; beyond it they are read from the history too.
const HELD: usize = 4096;

/// A topic that some shard wants, or did a moment ago.
pub(super) struct Feed {
    pub topic: Topic,
    pub settings: Arc<ChannelSettings>,
    /// Tells this life of the topic's feed from an earlier one.
    pub generation: u64,
    /// The connection that is subscribed to it.
    pub on: Option<u64>,
    /// Who waits until one is.
    pub waiters: Vec<oneshot::Sender<()>>,
    /// Joins by shard.
    joins: Vec<u32>,
    heard_to: HeardTo,
    /// The connection was not lost since: what was published after `heard_to` was also heard.
    unbroken: bool,
    filling: Option<Held>,
    heard_at: Instant,
    check_at: Instant,
}

/// Up to where a history was heard.
#[derive(Debug, PartialEq, Eq)]
enum HeardTo {
    /// Nobody asked where it stands.
    Unknown,
    /// Someone here has it up to this place, and nobody less; what is up to it may still come.
    Read(Position),
    /// All that came was passed on up to this place.
    Live(Position),
}

/// What arrives while a hole is filled.
#[derive(Default)]
struct Held {
    publications: Vec<Arc<Publication>>,
    /// Some were not held: they have to be read as well.
    spilled: bool,
    /// So many were held when the history was read: they were published before.
    before_read: usize,
}

/// What is to be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Pass it on.
    Deliver,
    /// It was passed on before, or is held.
    Nothing,
    /// Something before it is missing: fill the hole. It is held.
    Fill,
}

impl Feed {
    pub fn new(topic: Topic, settings: Arc<ChannelSettings>, generation: u64, shards: usize, check: Duration) -> Self {
        let now = Instant::now();
        Self {
            topic,
            settings,
            generation,
            on: None,
            waiters: Vec::new(),
            joins: vec![0; shards],
            heard_to: HeardTo::Unknown,
            unbroken: false,
            filling: None,
            heard_at: now,
            check_at: now + jittered(check),
        }
    }

    pub fn join(&mut self, shard: usize) {
        self.joins[shard] += 1;
    }

    pub fn leave(&mut self, shard: usize) {
        self.joins[shard] = self.joins[shard].saturating_sub(1);
    }

    pub fn is_wanted(&self) -> bool {
        self.joins.iter().any(|joins| *joins > 0)
    }

    /// The shards that want it.
    pub fn shards(&self) -> impl Iterator<Item = usize> {
        let joined = self.joins.iter().enumerate().filter(|(_, joins)| **joins > 0);
        joined.map(|(shard, _)| shard)
    }

    /// How many subscriptions it serves.
    pub fn subscriptions(&self) -> u64 {
        self.joins.iter().map(|joins| u64::from(*joins)).sum()
    }

    /// The connection is subscribed. Says whether there may be a hole since the last one was.
    pub fn confirm(&mut self, connection: u64) -> bool {
        self.on = Some(connection);
        for waiter in self.waiters.drain(..) {
            // Who went away meanwhile gives its join back itself.
            let _gone = waiter.send(());
        }
        let may_miss = !self.unbroken && self.heard_to != HeardTo::Unknown;
        self.unbroken = !may_miss;
        may_miss
    }

    /// The connection is lost.
    pub fn lose(&mut self) {
        self.on = None;
        self.unbroken = false;
    }

    /// Someone here read the history up to `newest`.
    pub fn learn(&mut self, newest: &Position) {
        match &mut self.heard_to {
            HeardTo::Unknown => self.heard_to = HeardTo::Read(newest.clone()),
            HeardTo::Read(at) if at.epoch == newest.epoch => at.offset = at.offset.min(newest.offset),
            HeardTo::Read(_) | HeardTo::Live(_) => {}
        }
    }

    /// A message arrived.
    pub fn take(&mut self, publication: &Arc<Publication>) -> Next {
        self.heard_at = Instant::now();
        let Some(position) = &publication.position else {
            return Next::Deliver;
        };
        if let Some(held) = &mut self.filling {
            held.push(publication);
            return Next::Nothing;
        }
        let next = match &self.heard_to {
            HeardTo::Unknown => Next::Deliver,
            HeardTo::Read(at) | HeardTo::Live(at) if at.epoch != position.epoch => {
                // All of the old epoch was heard, and this is the first of a new one.
                if self.unbroken && position.offset == 1 {
                    Next::Deliver
                } else {
                    Next::Fill
                }
            }
            HeardTo::Read(at) | HeardTo::Live(at) if position.offset > at.offset + 1 => Next::Fill,
            HeardTo::Read(at) | HeardTo::Live(at) if position.offset == at.offset + 1 => Next::Deliver,
            // Those who read less of the history wait for it; the hub knows who has it.
            HeardTo::Read(_) => return Next::Deliver,
            HeardTo::Live(_) => return Next::Nothing,
        };
        match next {
            Next::Fill => {
                let mut held = Held::default();
                held.push(publication);
                self.filling = Some(held);
            }
            _ => self.heard_to = HeardTo::Live(position.clone()),
        }
        next
    }

    /// Begins to fill a hole, unless one is being filled: then that goes on a little longer.
    pub fn begin_fill(&mut self) -> bool {
        if let Some(held) = &mut self.filling {
            held.spilled = true;
            return false;
        }
        self.filling = Some(Held::default());
        true
    }

    /// From where to read. None: nobody has a history here, so there is no hole.
    pub fn fill_from(&mut self) -> Option<Position> {
        match &self.heard_to {
            HeardTo::Unknown => {
                self.filling = None;
                None
            }
            HeardTo::Read(at) | HeardTo::Live(at) => {
                if let Some(held) = &mut self.filling {
                    held.before_read = held.publications.len();
                }
                Some(at.clone())
            }
        }
    }

    /// Everything up to `newest` was passed on: gives what was held after it, as far as it goes without a hole.
    /// `None`: nothing is left to do. An empty list: read again.
    pub fn filled(&mut self, newest: &Position) -> Option<Vec<Arc<Publication>>> {
        let mut at = newest.clone();
        let held = self.filling.as_mut()?;
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
        self.heard_to = HeardTo::Live(at);
        if next.is_empty() && held.publications.is_empty() && !std::mem::take(&mut held.spilled) {
            self.filling = None;
            self.unbroken = self.on.is_some();
            return None;
        }
        Some(next)
    }

    /// Whether it is time to see if a quiet channel is as quiet in Redis.
    pub fn is_check_due(&mut self, now: Instant, every: Duration) -> bool {
        if now < self.check_at || self.on.is_none() || self.settings.history.is_none() {
            return false;
        }
        self.check_at = now + jittered(every);
        now.saturating_duration_since(self.heard_at) >= every / 2
    }
}

impl Held {
    fn push(&mut self, publication: &Arc<Publication>) {
        if self.publications.len() < HELD {
            self.publications.push(publication.clone());
        } else {
            self.spilled = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::conformance::{topic, with_history};

    fn message(epoch: &str, offset: u64) -> Arc<Publication> {
        let position = Some(Position::at(epoch, offset));
        let id = offset.to_string().into();
        Arc::new(Publication::new(topic("a"), id, "1".into(), position, None, Vec::new()))
    }

    fn feed() -> Feed {
        let mut feed = Feed::new(topic("a"), with_history(10), 1, 2, Duration::from_secs(30));
        assert!(!feed.confirm(1), "nothing can be missing from a new feed");
        feed
    }

    fn take(feed: &mut Feed, epoch: &str, offset: u64) -> Next {
        feed.take(&message(epoch, offset))
    }

    #[test]
    fn what_comes_in_order_passes_and_what_came_does_not() {
        let mut feed = feed();
        feed.learn(&Position::at("e", 5));
        for offset in 6..9 {
            assert_eq!(take(&mut feed, "e", offset), Next::Deliver);
        }
        assert_eq!(take(&mut feed, "e", 7), Next::Nothing);
    }

    #[test]
    fn what_someone_here_still_waits_for_passes() {
        let mut feed = feed();
        feed.learn(&Position::at("e", 5));
        feed.learn(&Position::at("e", 4));
        feed.learn(&Position::at("e", 6));
        assert_eq!(
            take(&mut feed, "e", 4),
            Next::Deliver,
            "whoever has it does not get it twice"
        );
        assert_eq!(take(&mut feed, "e", 5), Next::Deliver);
        assert_eq!(take(&mut feed, "e", 6), Next::Deliver);
    }

    #[test]
    fn a_hole_is_filled_before_what_comes_after_it() {
        let mut feed = feed();
        feed.learn(&Position::at("e", 1));
        assert_eq!(take(&mut feed, "e", 4), Next::Fill);
        assert_eq!(take(&mut feed, "e", 5), Next::Nothing, "it is held");
        assert_eq!(feed.fill_from(), Some(Position::at("e", 1)));
        let next = feed.filled(&Position::at("e", 3)).unwrap();
        assert_eq!(next.iter().map(|p| &*p.id).collect::<Vec<_>>(), ["4", "5"]);
        assert!(feed.filled(&Position::at("e", 5)).is_none());
        assert_eq!(take(&mut feed, "e", 6), Next::Deliver);
    }

    #[test]
    fn a_hole_behind_the_hole_is_read_again() {
        let mut feed = feed();
        feed.learn(&Position::at("e", 1));
        take(&mut feed, "e", 3);
        take(&mut feed, "e", 6);
        assert_eq!(feed.filled(&Position::at("e", 3)).unwrap().len(), 0);
        assert_eq!(feed.fill_from(), Some(Position::at("e", 3)));
        assert_eq!(feed.filled(&Position::at("e", 6)).map(|next| next.len()), None);
    }

    #[test]
    fn what_was_held_of_an_epoch_that_is_over_is_not_waited_for() {
        let mut feed = feed();
        feed.learn(&Position::at("e", 30));
        take(&mut feed, "e", 33);
        feed.fill_from();
        take(&mut feed, "f", 35);
        take(&mut feed, "f", 36);
        let next = feed.filled(&Position::at("f", 34)).unwrap();
        assert_eq!(next.len(), 2, "what goes on from it is passed on");
        assert!(
            feed.filled(&Position::at("f", 36)).is_none(),
            "and the old one is forgotten"
        );
        take(&mut feed, "f", 40);
        feed.fill_from();
        take(&mut feed, "g", 1);
        assert_eq!(
            feed.filled(&Position::at("f", 40)).unwrap().len(),
            0,
            "a later one is read"
        );
        feed.fill_from();
        assert!(feed.filled(&Position::at("g", 1)).is_none());
    }

    #[test]
    fn more_than_is_held_is_read_again() {
        let mut feed = feed();
        feed.learn(&Position::at("e", 0));
        take(&mut feed, "e", 2);
        for offset in 3..HELD as u64 + 10 {
            take(&mut feed, "e", offset);
        }
        let next = feed.filled(&Position::at("e", 1)).unwrap();
        assert_eq!(next.len(), HELD);
        let read_to = Position::at("e", HELD as u64 + 9);
        assert!(feed.filled(&read_to).is_none() || feed.filled(&read_to).is_none());
    }

    #[test]
    fn a_new_epoch_passes_only_if_nothing_of_the_old_can_be_missing() {
        let mut feed = feed();
        feed.learn(&Position::at("e", 7));
        assert_eq!(take(&mut feed, "f", 1), Next::Deliver);
        assert_eq!(take(&mut feed, "g", 2), Next::Fill, "its first was not heard");
        let mut feed = self::feed();
        feed.learn(&Position::at("e", 7));
        feed.lose();
        assert!(feed.confirm(2), "what was said meanwhile may be missing");
        assert_eq!(take(&mut feed, "f", 1), Next::Fill);
    }

    #[test]
    fn a_quiet_channel_is_checked_now_and_then() {
        let mut feed = feed();
        let every = Duration::from_secs(30);
        let later = Instant::now() + every;
        assert!(!feed.is_check_due(Instant::now(), every));
        assert!(feed.is_check_due(later, every));
        assert!(!feed.is_check_due(later, every), "not twice");
    }
}
