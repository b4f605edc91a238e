//! A store in memory that answers at once, or not at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::sandbox::capabilities::shared::{Answer, NoAnswer, Question, SharedStore, Terms, Then};
use crate::sandbox::capabilities::{Clock, Place};

/// How it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It answers at once.
    #[default]
    Well,
    /// It cannot be asked.
    Down,
    /// It takes questions and does not answer; see [`StandIn::catch_up`].
    Silent,
    /// It fails.
    Broken,
}

/// The store. Its buckets follow the arithmetic of the script.
pub struct StandIn {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mood: Mood,
    buckets: HashMap<Box<str>, (f64, Instant)>,
    asked: Vec<Question>,
    stalls: usize,
    unanswered: Vec<(Question, Then)>,
}

impl StandIn {
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::default(),
        })
    }

    pub fn be(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut self.state.lock().asked)
    }

    /// How often somebody stopped waiting for it.
    pub fn stalls(&self) -> usize {
        self.state.lock().stalls
    }

    /// Answers what it owes.
    pub fn catch_up(&self) {
        let owed = std::mem::take(&mut self.state.lock().unanswered);
        for (question, then) in owed {
            let answer = self.answer(question);
            then(Ok(answer));
        }
    }

    fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Get(_) => Answer::Value(None),
            Question::Lease { key, terms } => {
                let now = self.clock.now();
                let mut state = self.state.lock();
                let bucket = state.buckets.entry(key).or_insert((terms.burst, now));
                let (given, rest) = lease(*bucket, now, &terms);
                *bucket = (rest, now);
                Answer::Lease { given, rest }
            }
            _ => Answer::Done,
        }
    }
}

/// Tokens given and left.
pub fn lease((tokens, at): (f64, Instant), now: Instant, terms: &Terms) -> (f64, f64) {
    let tokens = tokens + (now - at).as_secs_f64() * terms.per_second;
    let tokens = (tokens.min(terms.burst) - terms.settle).clamp(0.0, terms.burst);
    if terms.want == 0.0 || tokens + 1e-6 < terms.need {
        return (0.0, tokens);
    }
    let given = tokens.floor().min(terms.want).max(terms.need);
    (given, (tokens - given).max(0.0))
}

impl SharedStore for StandIn {
    fn ask(&self, _: &Place, question: Question, then: Then) -> bool {
        let mut state = self.state.lock();
        if state.mood == Mood::Down {
            return false;
        }
        state.asked.push(question.clone());
        let mood = state.mood;
        if mood == Mood::Silent {
            state.unanswered.push((question, then));
            return true;
        }
        drop(state);
        match mood {
            Mood::Broken => then(Err(NoAnswer)),
            _ => then(Ok(self.answer(question))),
        }
        true
    }

    fn stalled(&self) {
        self.state.lock().stalls += 1;
    }
}
