//! The facts about each message, from every client that saw it.

use std::collections::{BTreeMap, BTreeSet};

use super::{ANSWER_LIMIT, Promise, Violation, broken};
use crate::chaos::history::{Event, Message, Position, What};

type Channel = String;

/// All records about messages.
#[derive(Default)]
pub(super) struct Facts {
    /// Which message is at which position.
    positions: BTreeMap<(Channel, Position), (String, String)>,
    /// The positions that were acknowledged to publishers.
    acked: BTreeSet<(Channel, Position)>,
    /// The keys that were published.
    asked: BTreeSet<(Channel, String)>,
    /// How many publishes had no answer, or one that leaves open whether it happened.
    open: BTreeMap<Channel, u64>,
    /// The ids under which a key was seen where there is no position.
    ids: BTreeMap<(Channel, String), BTreeSet<String>>,
}

/// Reads the history for facts, and reports where two contradict each other.
pub(super) fn gather(events: &[Event], violations: &mut Vec<Violation>) -> Facts {
    let mut facts = Facts::default();
    for event in events {
        match &event.what {
            What::Asked { channel, key } => {
                facts.asked.insert((channel.clone(), key.clone()));
            }
            What::Acked { channel, key, id, at } => {
                if let Some(at) = at {
                    facts.acked.insert((channel.clone(), at.clone()));
                }
                let message = Message {
                    id: id.clone(),
                    channel: channel.clone(),
                    at: at.clone(),
                    key: key.clone(),
                };
                facts.learn(&message, event, violations);
            }
            What::Refused { channel, .. } | What::Unanswered { channel, .. } => {
                *facts.open.entry(channel.clone()).or_default() += 1;
            }
            What::Subscribed { messages, .. } | What::Kept { messages, .. } => {
                for message in messages {
                    facts.learn(message, event, violations);
                }
            }
            What::Received { message } => facts.learn(message, event, violations),
            _ => {}
        }
    }
    facts
}

impl Facts {
    fn learn(&mut self, message: &Message, event: &Event, violations: &mut Vec<Violation>) {
        let Message { id, channel, at, key } = message;
        if !self.asked.contains(&(channel.clone(), key.clone())) {
            let evidence = format!(
                "{} at {} ms saw what nobody published: {message:?}",
                event.who, event.at_ms
            );
            violations.push(broken(Promise::OncePerKey, evidence));
        }
        let Some(at) = at else {
            self.ids
                .entry((channel.clone(), key.clone()))
                .or_default()
                .insert(id.clone());
            return;
        };
        let seen = (id.clone(), key.clone());
        let known = self
            .positions
            .entry((channel.clone(), at.clone()))
            .or_insert_with(|| seen.clone());
        if *known != seen {
            let evidence = format!(
                "{channel} {at:?}: {} at {} ms saw {seen:?}, and before it was {known:?}",
                event.who, event.at_ms
            );
            violations.push(broken(Promise::Same, evidence));
        }
    }

    /// There may be as many unknown offsets as publishes with an unknown outcome.
    pub(super) fn contiguous(&self, violations: &mut Vec<Violation>) {
        let mut epochs: BTreeMap<(&Channel, &str), Vec<u64>> = BTreeMap::new();
        for (channel, at) in self.positions.keys() {
            epochs.entry((channel, &at.epoch)).or_default().push(at.offset);
        }
        for ((channel, epoch), offsets) in &epochs {
            let (first, top) = (offsets[0], offsets[offsets.len() - 1]);
            // An epoch may continue another one, which then has the offset before its first one.
            let goes_on = epochs
                .iter()
                .any(|((other, name), known)| other == channel && name != epoch && known.contains(&(first - 1)));
            let below = if goes_on { first - 1 } else { 0 };
            let unknown = top - below - u64::try_from(offsets.len()).expect("a count");
            let open = self.open.get(*channel).copied().unwrap_or(0);
            if unknown > open {
                let evidence = format!("{channel} {epoch}: {unknown} of {top} offsets are unknown, {open} may be");
                violations.push(broken(Promise::Contiguous, evidence));
            }
        }
    }

    /// A key has one place in an epoch. (A new epoch knows nothing, not even keys.)
    pub(super) fn once_per_key(&self, violations: &mut Vec<Violation>) {
        let mut places: BTreeMap<(&Channel, &str, &str), Vec<u64>> = BTreeMap::new();
        for ((channel, at), (_, key)) in &self.positions {
            places.entry((channel, &at.epoch, key)).or_default().push(at.offset);
        }
        for ((channel, epoch, key), offsets) in places.iter().filter(|(_, offsets)| offsets.len() > 1) {
            let evidence = format!("{channel} {epoch}: {key} is at {offsets:?}");
            violations.push(broken(Promise::OncePerKey, evidence));
        }
        for ((channel, key), ids) in self.ids.iter().filter(|(_, ids)| ids.len() > 1) {
            violations.push(broken(Promise::OncePerKey, format!("{channel}: {key} is {ids:?}")));
        }
    }

    /// What was acknowledged in an epoch after an offset: offset, id and key of each.
    pub(super) fn acked_after(
        &self,
        channel: &str,
        epoch: &str,
        offset: u64,
    ) -> impl Iterator<Item = (u64, &str, &str)> {
        let place = |offset| {
            let epoch = epoch.to_owned();
            (channel.to_owned(), Position { epoch, offset })
        };
        let places = self.acked.range(place(offset.saturating_add(1))..=place(u64::MAX));
        places.filter_map(|place| {
            let (id, key) = self.positions.get(place)?;
            Some((place.1.offset, id.as_str(), key.as_str()))
        })
    }
}

/// Publishes that waited too long, and requests that were given up.
pub(super) fn unanswered(events: &[Event]) -> Vec<Violation> {
    let limit = u64::try_from(ANSWER_LIMIT.as_millis()).expect("a short time");
    let mut asked: BTreeMap<&str, u64> = BTreeMap::new();
    let mut late = Vec::new();
    for Event { at_ms, who, what } in events {
        match what {
            What::Asked { .. } => {
                asked.insert(who, *at_ms);
            }
            What::Acked { .. } | What::Refused { .. } => {
                let waited = asked.remove(who.as_str()).map_or(0, |since| at_ms - since);
                if waited > limit {
                    late.push(broken(
                        Promise::Answered,
                        format!("{who} waited {waited} ms for {what:?}"),
                    ));
                }
            }
            What::Unanswered { .. } => {
                asked.remove(who.as_str());
            }
            What::Hung { request } => {
                late.push(broken(
                    Promise::Answered,
                    format!("{who} at {at_ms} ms gave up: {request}"),
                ));
            }
            _ => {}
        }
    }
    let never = asked.iter().map(|(who, since)| {
        broken(
            Promise::Answered,
            format!("{who} asked at {since} ms and never learned what became of it"),
        )
    });
    late.extend(never);
    late
}
