//! Which sessions of this node are to be present where, and which of it Redis does not know yet. Pure: it says what
//! there is to do, and is told what was done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

use config::ChannelSettings;
use protocol::Member;
use protocol::names::Topic;

/// Changes told to Redis at once.
pub(super) const BATCH: usize = 512;
/// How long [`PresenceTable::settled`] may take.
const SETTLE: Duration = Duration::from_secs(2);

/// A session in a topic.
pub(super) type MemberKey = (Topic, Arc<str>);

/// What is wanted, and what Redis was not told yet.
pub(super) struct PresenceTable {
    state: Mutex<TableState>,
    called: Notify,
    settled: Notify,
    /// The others know of this instance: until then it must not be present anywhere, because nobody would clean
    /// up after it.
    known: watch::Sender<bool>,
}

#[derive(Default)]
struct TableState {
    /// Who is to be present.
    present: HashMap<MemberKey, PresentSession, RandomState>,
    /// A set: whoever comes and goes a thousand times stands in it once.
    dirty: IndexSet<MemberKey, RandomState>,
    /// Whether leaves of sessions that are not present any more are to be told to the channel.
    told: HashMap<MemberKey, bool, RandomState>,
    waiters: HashMap<MemberKey, Vec<oneshot::Sender<()>>, RandomState>,
    /// How many sessions Redis may have under this instance, by topic: those that are to be present, and those
    /// whose leave it was not told yet.
    counts: HashMap<Topic, usize, RandomState>,
    /// The topics that came to none, and are still marked as the instance's.
    left: IndexSet<Topic, RandomState>,
    busy: bool,
}

struct PresentSession {
    member: Member,
    tell: bool,
}

impl Default for PresenceTable {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            called: Notify::new(),
            settled: Notify::new(),
            known: watch::channel(false).0,
        }
    }
}

impl PresenceTable {
    /// `member` is to be present. Resolves when Redis knows.
    pub(super) fn enter(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) -> oneshot::Receiver<()> {
        let key = (topic.clone(), member.session.clone());
        let entry = PresentSession {
            member: member.clone(),
            tell: settings.join_leave,
        };
        let (waiter, when) = oneshot::channel();
        let mut state = self.state.lock();
        let was_there = state.present.insert(key.clone(), entry).is_some() || state.told.contains_key(&key);
        if !was_there {
            *state.counts.entry(topic.clone()).or_default() += 1;
        }
        state.waiters.entry(key.clone()).or_default().push(waiter);
        state.dirty.insert(key);
        drop(state);
        self.called.notify_one();
        when
    }

    /// `member` is to be present no longer.
    pub(super) fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) {
        let key = (topic.clone(), member.session.clone());
        let mut state = self.state.lock();
        if state.present.remove(&key).is_some() {
            state.told.insert(key.clone(), settings.join_leave);
            state.dirty.insert(key);
            drop(state);
            self.called.notify_one();
        }
    }

    /// Redis may have forgotten all of it.
    pub(super) fn repeat(&self) {
        let mut state = self.state.lock();
        let all: Vec<_> = state.present.keys().cloned().collect();
        state.dirty.extend(all);
        drop(state);
        self.called.notify_one();
    }

    /// Waits until there is something to be told.
    pub(super) async fn called(&self) {
        self.called.notified().await;
    }

    /// Whether the others know of this instance, and when that changes.
    pub(super) fn known(&self) -> watch::Receiver<bool> {
        self.known.subscribe()
    }

    /// They know of it now. Gives whether they did before.
    pub(super) fn become_known(&self) -> bool {
        self.known.send_replace(true)
    }

    /// Whether the others know of this instance.
    pub(super) fn is_known(&self) -> bool {
        *self.known.borrow()
    }

    /// The topics with sessions of this node, and whether leaves are told there.
    pub(super) fn topics(&self) -> Vec<(Topic, bool)> {
        let state = self.state.lock();
        let topics: HashMap<&Topic, bool, RandomState> = state
            .present
            .iter()
            .map(|((topic, _), entry)| (topic, entry.tell))
            .collect();
        topics.into_iter().map(|(topic, tell)| (topic.clone(), tell)).collect()
    }

    /// Waits until Redis knows everything, or for as long as that is worth waiting for; says which.
    pub(super) async fn settled(&self) -> bool {
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
    pub(super) fn next(&self) -> Vec<(MemberKey, Option<(Member, bool)>)> {
        let mut state = self.state.lock();
        let keys: Vec<_> = state.dirty.iter().take(BATCH).cloned().collect();
        for key in &keys {
            state.dirty.swap_remove(key);
        }
        state.busy = !keys.is_empty();
        let wanted = |key: MemberKey| {
            let entry = state.present.get(&key).map(|entry| (entry.member.clone(), entry.tell));
            (key, entry)
        };
        keys.into_iter().map(wanted).collect()
    }

    /// Whether the leave of a session that left is to be told.
    pub(super) fn tells(&self, key: &MemberKey) -> bool {
        self.state.lock().told.get(key).copied().unwrap_or(false)
    }

    /// Redis was told, or could not be.
    pub(super) fn done(&self, key: &MemberKey, succeeded: bool) {
        let mut state = self.state.lock();
        if !succeeded {
            state.dirty.insert(key.clone());
            return;
        }
        if !state.dirty.contains(key) {
            if state.told.remove(key).is_some() && !state.present.contains_key(key) {
                state.count_off(&key.0);
            }
            for waiter in state.waiters.remove(key).unwrap_or_default() {
                let _gone = waiter.send(());
            }
        }
    }

    /// Topics that have no session of this instance any more, and whose mark can go.
    pub(super) fn take_left(&self) -> Vec<Topic> {
        let mut state = self.state.lock();
        let left = std::mem::take(&mut state.left);
        left.into_iter()
            .filter(|topic| !state.counts.contains_key(topic))
            .collect()
    }

    /// They may still be marked.
    pub(super) fn give_back_left(&self, topics: Vec<Topic>) {
        self.state.lock().left.extend(topics);
    }

    /// Nothing is left to be told.
    pub(super) fn rest(&self) {
        let mut state = self.state.lock();
        state.busy = false;
        drop(state);
        self.settled.notify_waiters();
    }
}

impl TableState {
    fn count_off(&mut self, topic: &Topic) {
        let count = self.counts.get_mut(topic).expect("a session that left was counted");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(topic);
            self.left.insert(topic.clone());
        }
    }
}
