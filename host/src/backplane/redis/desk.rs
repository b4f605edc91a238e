//! Who of this node is to be present where, and what Redis was not told of it yet. Pure: it says what there is to
//! do, and is told what was done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

use crate::config::ChannelSettings;
use crate::protocol::Member;
use crate::protocol::names::Topic;

/// Changes told to Redis at once.
pub(super) const BATCH: usize = 512;
/// How long [`Desk::settled`] may take.
const SETTLE: Duration = Duration::from_secs(2);

/// A session in a topic.
pub(super) type Place = (Topic, Arc<str>);

/// What is wanted, and what Redis was not told yet.
pub(super) struct Desk {
    state: Mutex<State>,
    called: Notify,
    settled: Notify,
    /// The others know of this instance: until then it must not be present anywhere, because nobody would clean
    /// up after it.
    known: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// Who is to be present.
    present: HashMap<Place, Entry, RandomState>,
    /// A set: whoever comes and goes a thousand times stands in it once.
    dirty: IndexSet<Place, RandomState>,
    /// Whether leaves of sessions that are not present any more are to be told to the channel.
    told: HashMap<Place, bool, RandomState>,
    waiters: HashMap<Place, Vec<oneshot::Sender<()>>, RandomState>,
    /// How many sessions Redis may have under this instance, by topic: those that are to be present, and those
    /// whose leave it was not told yet.
    counts: HashMap<Topic, usize, RandomState>,
    /// The topics that came to none, and are still marked as the instance's.
    left: IndexSet<Topic, RandomState>,
    busy: bool,
}

struct Entry {
    member: Member,
    tell: bool,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            called: Notify::new(),
            settled: Notify::new(),
            known: watch::channel(false).0,
        }
    }
}

impl Desk {
    /// `member` is to be present. Resolves when Redis knows.
    pub fn enter(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) -> oneshot::Receiver<()> {
        let place = (topic.clone(), member.session.clone());
        let entry = Entry {
            member: member.clone(),
            tell: settings.join_leave,
        };
        let (waiter, when) = oneshot::channel();
        let mut state = self.state.lock();
        let was_there = state.present.insert(place.clone(), entry).is_some() || state.told.contains_key(&place);
        if !was_there {
            *state.counts.entry(topic.clone()).or_default() += 1;
        }
        state.waiters.entry(place.clone()).or_default().push(waiter);
        state.dirty.insert(place);
        drop(state);
        self.called.notify_one();
        when
    }

    /// `member` is to be present no longer.
    pub fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) {
        let place = (topic.clone(), member.session.clone());
        let mut state = self.state.lock();
        if state.present.remove(&place).is_some() {
            state.told.insert(place.clone(), settings.join_leave);
            state.dirty.insert(place);
            drop(state);
            self.called.notify_one();
        }
    }

    /// Redis may have forgotten all of it.
    pub fn repeat(&self) {
        let mut state = self.state.lock();
        let all: Vec<_> = state.present.keys().cloned().collect();
        state.dirty.extend(all);
        drop(state);
        self.called.notify_one();
    }

    /// Waits until there is something to be told.
    pub async fn called(&self) {
        self.called.notified().await;
    }

    /// Whether the others know of this instance, and when that changes.
    pub fn known(&self) -> watch::Receiver<bool> {
        self.known.subscribe()
    }

    /// They know of it now. Gives whether they did before.
    pub fn become_known(&self) -> bool {
        self.known.send_replace(true)
    }

    /// Whether the others know of this instance.
    pub fn is_known(&self) -> bool {
        *self.known.borrow()
    }

    /// The topics with sessions of this node, and whether leaves are told there.
    pub fn topics(&self) -> Vec<(Topic, bool)> {
        let state = self.state.lock();
        let topics: HashMap<&Topic, bool, RandomState> = state
            .present
            .iter()
            .map(|((topic, _), entry)| (topic, entry.tell))
            .collect();
        topics.into_iter().map(|(topic, tell)| (topic.clone(), tell)).collect()
    }

    /// Waits until Redis knows everything, or for as long as that is worth waiting for; says which.
    pub async fn settled(&self) -> bool {
        let settled = async {
            loop {
                let more = self.settled.notified();
                if self.is_settled() {
                    return;
                }
                more.await;
            }
        };
        tokio::time::timeout(SETTLE, settled).await.is_ok()
    }

    fn is_settled(&self) -> bool {
        let state = self.state.lock();
        state.dirty.is_empty() && !state.busy
    }

    /// What Redis is to be told next, and whether someone is to be present there: nothing, if it was told all.
    pub fn next(&self) -> Vec<(Place, Option<(Member, bool)>)> {
        let mut state = self.state.lock();
        let places: Vec<_> = state.dirty.iter().take(BATCH).cloned().collect();
        for place in &places {
            state.dirty.swap_remove(place);
        }
        state.busy = !places.is_empty();
        let wanted = |place: Place| {
            let entry = state
                .present
                .get(&place)
                .map(|entry| (entry.member.clone(), entry.tell));
            (place, entry)
        };
        places.into_iter().map(wanted).collect()
    }

    /// Whether the leave of a session that left is to be told.
    pub fn tells(&self, place: &Place) -> bool {
        self.state.lock().told.get(place).copied().unwrap_or(false)
    }

    /// Redis was told, or could not be.
    pub fn done(&self, place: &Place, succeeded: bool) {
        let mut state = self.state.lock();
        if !succeeded {
            state.dirty.insert(place.clone());
            return;
        }
        if !state.dirty.contains(place) {
            if state.told.remove(place).is_some() && !state.present.contains_key(place) {
                state.count_off(&place.0);
            }
            for waiter in state.waiters.remove(place).unwrap_or_default() {
                let _gone = waiter.send(());
            }
        }
    }

    /// Topics that have no session of this instance any more, and whose mark can go.
    pub fn take_left(&self) -> Vec<Topic> {
        let mut state = self.state.lock();
        let left = std::mem::take(&mut state.left);
        left.into_iter()
            .filter(|topic| !state.counts.contains_key(topic))
            .collect()
    }

    /// They may still be marked.
    pub fn give_back_left(&self, topics: Vec<Topic>) {
        self.state.lock().left.extend(topics);
    }

    /// Nothing is left to be told.
    pub fn rest(&self) {
        let mut state = self.state.lock();
        state.busy = false;
        drop(state);
        self.settled.notify_waiters();
    }
}

impl State {
    fn count_off(&mut self, topic: &Topic) {
        let count = self.counts.get_mut(topic).expect("a session that left was counted");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(topic);
            self.left.insert(topic.clone());
        }
    }
}
