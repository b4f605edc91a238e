//! The unbroken part of each channel that each receiver has: from a subscription over all its recoveries.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::{Promise, Violation, broken};
use crate::chaos::history::{Event, Message, Position, What};

/// How a chain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It did not: the receiver was there when the run was over.
    Live,
    /// The receiver disconnected, or was disconnected; it may come back and recover.
    Waiting,
    /// It came back, and was told that it missed something.
    Told,
    /// The channel began another epoch without notice.
    Silent,
}

/// An unbroken run of offsets that one receiver has.
pub(super) struct Chain {
    who: String,
    channel: String,
    epoch: String,
    /// The newest that came, or the one behind which it began.
    to: u64,
    end: End,
}

/// The findings about all receivers.
#[derive(Default)]
pub(super) struct Followed {
    chains: Vec<Chain>,
    /// The ids that a receiver got in a channel.
    got: BTreeMap<(String, String), BTreeSet<String>>,
}

/// One receiver in one channel, as the history is replayed.
struct Follower<'a> {
    who: &'a str,
    channel: &'a str,
    chains: Vec<Chain>,
    is_listening: bool,
    was_revoked: bool,
    /// The ids of all that came.
    ids: BTreeSet<String>,
}

/// Replays the history for each receiver in each channel.
pub(super) fn follow(events: &[Event], violations: &mut Vec<Violation>) -> Followed {
    let mut followers: BTreeMap<(&str, &str), Follower<'_>> = BTreeMap::new();
    for event in events {
        let who = event.who.as_str();
        let channel = match &event.what {
            What::Subscribed { channel, .. } | What::Dropped { channel, .. } | What::Revoked { channel } => channel,
            What::Received { message } => &message.channel,
            What::Away { .. } => {
                let all = followers.values_mut().filter(|follower| follower.who == who);
                all.for_each(Follower::suspend);
                continue;
            }
            _ => continue,
        };
        let follower = followers
            .entry((who, channel))
            .or_insert_with(|| Follower::new(who, channel));
        follower.replay(event, violations);
    }
    let mut followed = Followed::default();
    for ((who, channel), follower) in followers {
        followed.got.insert((who.to_owned(), channel.to_owned()), follower.ids);
        followed.chains.extend(follower.chains);
    }
    followed
}

impl<'a> Follower<'a> {
    fn new(who: &'a str, channel: &'a str) -> Self {
        Self {
            who,
            channel,
            chains: Vec::new(),
            is_listening: false,
            was_revoked: false,
            ids: BTreeSet::new(),
        }
    }

    fn replay(&mut self, event: &Event, violations: &mut Vec<Violation>) {
        match &event.what {
            What::Subscribed {
                at,
                since,
                recovered,
                messages,
                ..
            } => {
                self.is_listening = true;
                self.was_revoked = false;
                let Some(at) = at else { return };
                if let (Some(true), Some(since)) = (recovered, since) {
                    self.recover(since, at, messages, event, violations);
                } else {
                    if !messages.is_empty() {
                        violations.push(self.broken(Promise::NoHole, event, "messages without a recovery"));
                    }
                    self.begin(at);
                }
            }
            What::Received { message } => self.receive(message, event, violations),
            What::Revoked { .. } => {
                self.was_revoked = true;
                self.suspend();
            }
            _ => self.suspend(),
        }
    }

    fn suspend(&mut self) {
        self.is_listening = false;
        if let Some(chain) = self.chains.last_mut().filter(|chain| chain.end == End::Live) {
            chain.end = End::Waiting;
        }
    }

    fn begin(&mut self, at: &Position) {
        if let Some(chain) = self.chains.last_mut().filter(|chain| chain.end == End::Waiting) {
            chain.end = End::Told;
        }
        self.chains.push(Chain {
            who: self.who.to_owned(),
            channel: self.channel.to_owned(),
            epoch: at.epoch.clone(),
            to: at.offset,
            end: End::Live,
        });
    }

    fn recover(
        &mut self,
        since: &Position,
        at: &Position,
        messages: &[Message],
        event: &Event,
        violations: &mut Vec<Violation>,
    ) {
        let goes_on = |chain: &Chain| (chain.epoch.as_str(), chain.to) == (since.epoch.as_str(), since.offset);
        match self.chains.last_mut() {
            Some(chain) if goes_on(chain) => chain.end = End::Live,
            _ => self.begin(since),
        }
        for message in messages {
            self.receive(message, event, violations);
        }
        let has_all = self
            .chains
            .last()
            .is_some_and(|chain| chain.epoch == at.epoch && chain.to == at.offset);
        if !has_all {
            violations.push(self.broken(Promise::NoHole, event, "recovered: true, and not up to its position"));
        }
    }

    fn receive(&mut self, message: &Message, event: &Event, violations: &mut Vec<Violation>) {
        if !self.is_listening {
            let promise = if self.was_revoked {
                Promise::Revoked
            } else {
                Promise::NoHole
            };
            violations.push(self.broken(promise, event, "a message without a subscription"));
            return;
        }
        let is_new = self.ids.insert(message.id.clone());
        let Some(at) = &message.at else {
            if !is_new {
                violations.push(self.broken(Promise::Increasing, event, "the same message twice"));
            }
            return;
        };
        let been_there = self.chains.iter().rev().skip(1).any(|chain| chain.epoch == at.epoch);
        match self.chains.last_mut() {
            Some(chain) if chain.epoch == at.epoch => {
                if at.offset == chain.to + 1 {
                    chain.to = at.offset;
                } else if at.offset > chain.to {
                    let what = format!("a hole after {}", chain.to);
                    chain.to = at.offset;
                    violations.push(self.broken(Promise::NoHole, event, &what));
                } else {
                    let what = format!("it was at {} already", chain.to);
                    violations.push(self.broken(Promise::Increasing, event, &what));
                }
            }
            Some(chain) => {
                chain.end = End::Silent;
                // A lost history begins with 1. One that survived its server goes on where it was, in another epoch.
                let goes_on = at.offset == chain.to + 1;
                if been_there {
                    violations.push(self.broken(Promise::Increasing, event, "back in an epoch that was over"));
                }
                if at.offset != 1 && !goes_on {
                    violations.push(self.broken(Promise::NoHole, event, "an epoch that begins with a hole"));
                }
                self.begin(&Position {
                    epoch: at.epoch.clone(),
                    offset: at.offset - 1,
                });
                self.chains.last_mut().expect("just begun").to = at.offset;
            }
            None => violations.push(self.broken(Promise::NoHole, event, "a position where none was told")),
        }
    }

    fn broken(&self, promise: Promise, event: &Event, what: &str) -> Violation {
        let shown: String = format!("{:?}", event.what).chars().take(500).collect();
        let evidence = format!(
            "{} in {} at {} ms: {what}: {shown}",
            self.who, self.channel, event.at_ms
        );
        broken(promise, evidence)
    }
}

/// An acknowledged publish is in every chain that goes past it, which has no holes; what is left to look at are the
/// ends of those that nobody broke. What comes under the name of the next epoch came as well.
pub(super) fn acked_arrives(followed: &Followed, facts: &Facts, violations: &mut Vec<Violation>) {
    for chain in &followed.chains {
        let stayed = matches!(chain.end, End::Live | End::Silent);
        if !stayed {
            continue;
        }
        let Chain {
            who,
            channel,
            epoch,
            to,
            end,
            ..
        } = chain;
        let got = &followed.got[&(who.clone(), channel.clone())];
        let missing = facts
            .acked_after(channel, epoch, *to)
            .find(|(_, id, _)| !got.contains(*id));
        if let Some((offset, id, key)) = missing {
            let evidence =
                format!("{who} in {channel} ({end:?}) has {epoch}:{to}, and not {offset}, which is {key} ({id})");
            violations.push(broken(Promise::AckedArrives, evidence));
        }
    }
}
