//! A store in memory that answers at once, or not at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::shared::*;
use crate::{Clock, StoreId};

/// How it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TestStoreState {
    /// It answers at once.
    #[default]
    Well,
    /// It cannot be asked.
    Down,
    /// It takes questions and does not answer; see [`TestStore::catch_up`].
    Silent,
    /// It fails.
    Broken,
}

/// The store. Its buckets follow the arithmetic of the script.
pub(super) struct TestStore {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mood: TestStoreState,
    buckets: HashMap<Box<str>, (f64, Instant)>,
    asked: Vec<StoreRequest>,
    stalls: usize,
    unanswered: Vec<(StoreRequest, OnReply)>,
}

impl TestStore {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::default(),
        })
    }

    pub(super) fn be(&self, mood: TestStoreState) {
        self.state.lock().mood = mood;
    }

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<StoreRequest> {
        std::mem::take(&mut self.state.lock().asked)
    }

    /// How often somebody stopped waiting for it.
    pub(super) fn stalls(&self) -> usize {
        self.state.lock().stalls
    }

    /// Answers what it owes.
    pub(super) fn catch_up(&self) {
        let owed = std::mem::take(&mut self.state.lock().unanswered);
        for (request, on_reply) in owed {
            let answer = self.answer(request);
            on_reply(Ok(answer));
        }
    }

    fn answer(&self, request: StoreRequest) -> StoreReply {
        match request {
            StoreRequest::Get(_) => StoreReply::Value(None),
            StoreRequest::Lease { key, terms } => {
                let now = self.clock.now();
                let mut state = self.state.lock();
                let bucket = state.buckets.entry(key).or_insert((terms.burst, now));
                let (given, rest) = lease(*bucket, now, &terms);
                *bucket = (rest, now);
                StoreReply::Lease { given, rest }
            }
            _ => StoreReply::Done,
        }
    }
}

/// Tokens given and left.
pub(super) fn lease((tokens, at): (f64, Instant), now: Instant, terms: &LeaseTerms) -> (f64, f64) {
    let tokens = tokens + (now - at).as_secs_f64() * terms.per_second;
    let tokens = (tokens.min(terms.burst) - terms.settle).clamp(0.0, terms.burst);
    if terms.want == 0.0 || tokens + 1e-6 < terms.need {
        return (0.0, tokens);
    }
    let given = tokens.floor().min(terms.want).max(terms.need);
    (given, (tokens - given).max(0.0))
}

impl SharedStore for TestStore {
    fn send(&self, _: &StoreId, request: StoreRequest, on_reply: OnReply) -> bool {
        let mut state = self.state.lock();
        if state.mood == TestStoreState::Down {
            return false;
        }
        state.asked.push(request.clone());
        let mood = state.mood;
        if mood == TestStoreState::Silent {
            state.unanswered.push((request, on_reply));
            return true;
        }
        drop(state);
        match mood {
            TestStoreState::Broken => on_reply(Err(NoReply)),
            _ => on_reply(Ok(self.answer(request))),
        }
        true
    }

    fn stalled(&self) {
        self.state.lock().stalls += 1;
    }
}
