//! The small store of one plugin in one tenant, kept for all nodes. Every call is a question to the shared store:
//! nothing is remembered here, so what one node wrote the next one reads.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::{Answer, Line, Patience, Question};
use crate::sandbox::capabilities::Place;
use crate::sandbox::capabilities::kv::{KvError, check_key, check_value};

/// A store of its own: keys to values that may expire.
pub(crate) struct SharedKv {
    line: Arc<Line>,
    place: Place,
}

// === impl SharedKv ===

impl SharedKv {
    pub(crate) fn new(line: Arc<Line>, place: Place) -> Self {
        Self { line, place }
    }

    /// The value under `key`, if there is one.
    pub(crate) fn get(&self, key: &str, patience: &mut Patience) -> Result<Option<Vec<u8>>, KvError> {
        check_key(key)?;
        match self.ask(Question::Get(key.to_owned()), patience)? {
            Answer::Value(value) => Ok(value),
            other => Err(refusal(&other)),
        }
    }

    /// Puts `value` under `key`, for `ttl` or until it is deleted.
    pub(crate) fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        patience: &mut Patience,
    ) -> Result<(), KvError> {
        check_key(key)?;
        check_value(value)?;
        let (key, value) = (key.to_owned(), value.to_owned());
        self.ask(Question::Set { key, value, ttl }, patience).and_then(done)
    }

    /// Takes `key` away; one that is not there is no error.
    pub(crate) fn delete(&self, key: &str, patience: &mut Patience) -> Result<(), KvError> {
        check_key(key)?;
        self.ask(Question::Delete(key.to_owned()), patience).and_then(done)
    }

    /// Adds to the counter under `key` and returns it.
    pub(crate) fn increment(
        &self,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
        patience: &mut Patience,
    ) -> Result<i64, KvError> {
        check_key(key)?;
        let key = key.to_owned();
        match self.ask(Question::Increment { key, by, ttl }, patience)? {
            Answer::Number(number) => Ok(number),
            other => Err(refusal(&other)),
        }
    }

    fn ask(&self, question: Question, patience: &mut Patience) -> Result<Answer, KvError> {
        if patience.left().is_zero() {
            return Err(KvError::Unavailable);
        }
        let (tell, told) = sync_channel(1);
        // Whoever asked may have gone.
        let then = Box::new(move |answer| drop(tell.try_send(answer)));
        if !self.line.ask(&self.place, question, then) {
            return Err(KvError::Unavailable);
        }
        let start = Instant::now();
        let answer = told.recv_timeout(patience.left());
        let (waited, was_whole) = (start.elapsed(), patience.is_whole());
        patience.spend(waited);
        if was_whole && answer == Err(RecvTimeoutError::Timeout) {
            self.line.stalled(waited);
        }
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(KvError::Unavailable),
        }
    }
}

fn done(answer: Answer) -> Result<(), KvError> {
    match answer {
        Answer::Done => Ok(()),
        other => Err(refusal(&other)),
    }
}

fn refusal(answer: &Answer) -> KvError {
    match answer {
        Answer::Full => KvError::Full,
        Answer::NotANumber => KvError::NotANumber,
        // An answer to another question is as good as none.
        _ => KvError::Unavailable,
    }
}
