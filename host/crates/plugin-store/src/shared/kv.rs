//! The small store of one plugin in one tenant, kept for all nodes. Every call is a request to the shared store:
//! nothing is remembered here, so what one node wrote the next one reads.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::handle::StoreHandle;
use super::store::{StoreReply, StoreRequest};
use crate::kv::{Kv, KvError, check_key, check_value};
use crate::wait_budget::WaitBudget;

/// A store of its own: keys to values that may expire.
pub struct SharedKv {
    handle: Arc<StoreHandle>,
}

// === impl SharedKv ===

impl SharedKv {
    /// The keys and values that are kept behind `handle`.
    pub fn new(handle: Arc<StoreHandle>) -> Self {
        Self { handle }
    }

    fn ask(&self, request: StoreRequest, budget: &mut WaitBudget) -> Result<StoreReply, KvError> {
        if budget.left().is_zero() {
            return Err(KvError::Unavailable);
        }
        let (sender, receiver) = sync_channel(1);
        // Whoever asked may have gone.
        let on_reply = Box::new(move |reply| drop(sender.try_send(reply)));
        if !self.handle.send(request, budget.whole(), on_reply) {
            return Err(KvError::Unavailable);
        }
        let start = Instant::now();
        let answer = receiver.recv_timeout(budget.left());
        let (waited, was_whole) = (start.elapsed(), budget.is_whole());
        budget.spend(waited);
        if was_whole && answer == Err(RecvTimeoutError::Timeout) {
            self.handle.stalled(waited);
        }
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(KvError::Unavailable),
        }
    }
}

impl Kv for SharedKv {
    fn get(&self, key: &str, budget: &mut WaitBudget) -> Result<Option<Vec<u8>>, KvError> {
        check_key(key)?;
        match self.ask(StoreRequest::Get(key.to_owned()), budget)? {
            StoreReply::Value(value) => Ok(value),
            other => Err(refusal(&other)),
        }
    }

    fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>, budget: &mut WaitBudget) -> Result<(), KvError> {
        check_key(key)?;
        check_value(value)?;
        let (key, value) = (key.to_owned(), value.to_owned());
        self.ask(StoreRequest::Set { key, value, ttl }, budget).and_then(done)
    }

    fn delete(&self, key: &str, budget: &mut WaitBudget) -> Result<(), KvError> {
        check_key(key)?;
        self.ask(StoreRequest::Delete(key.to_owned()), budget).and_then(done)
    }

    fn increment(&self, key: &str, by: i64, ttl: Option<Duration>, budget: &mut WaitBudget) -> Result<i64, KvError> {
        check_key(key)?;
        let key = key.to_owned();
        match self.ask(StoreRequest::Increment { key, by, ttl }, budget)? {
            StoreReply::Number(number) => Ok(number),
            other => Err(refusal(&other)),
        }
    }
}

fn done(answer: StoreReply) -> Result<(), KvError> {
    match answer {
        StoreReply::Done => Ok(()),
        other => Err(refusal(&other)),
    }
}

fn refusal(answer: &StoreReply) -> KvError {
    match answer {
        StoreReply::Full => KvError::Full,
        StoreReply::NotANumber => KvError::NotANumber,
        // An answer to another request is as good as none.
        _ => KvError::Unavailable,
    }
}
