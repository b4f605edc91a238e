//! What a pretended broker holds for one plugin: clock, log, store, buckets, effects. Knows no hook.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use sluicegate_contract::limits::TAGS;

use crate::{kv, log::Level};

/// Where a test's clock starts: 2030-01-01T00:00:00Z, in milliseconds since the Unix epoch.
pub const START_MS: u64 = 1_893_456_000_000;

struct Entry {
    value: Vec<u8>,
    counter: bool,
    ends_ms: Option<u64>,
}

struct Bucket {
    tokens: f64,
    at_ms: u64,
}

pub(crate) struct State {
    pub now_ms: u64,
    pub log: Vec<(Level, String)>,
    pub tags: BTreeMap<String, String>,
    pub cached_ms: Option<u32>,
    pub counts: BTreeMap<String, u64>,
    pub kv_error: Option<kv::Error>,
    /// What the message is that the publish hook is asked about.
    #[cfg(feature = "message")]
    pub content: crate::message::Content,
    /// Every living key has a clone.
    #[cfg(feature = "crypto")]
    pub keys: Rc<()>,
    entries: HashMap<String, Entry>,
    buckets: HashMap<String, Bucket>,
}

thread_local! {
    static CURRENT: RefCell<Vec<Rc<RefCell<State>>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `call` with `state` as the broker that the capabilities reach.
pub(crate) fn enter<T>(state: &Rc<RefCell<State>>, call: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CURRENT.with_borrow_mut(Vec::pop);
        }
    }
    CURRENT.with_borrow_mut(|stack| stack.push(Rc::clone(state)));
    let _leave = Leave;
    call()
}

/// The state that the running hook reaches, if one runs.
pub(crate) fn try_with<T>(call: impl FnOnce(&mut State) -> T) -> Option<T> {
    let current = CURRENT.with_borrow(|stack| stack.last().cloned())?;
    Some(call(&mut current.borrow_mut()))
}

/// The same, for what makes no sense outside of a hook.
pub(crate) fn with<T>(call: impl FnOnce(&mut State) -> T) -> T {
    try_with(call).expect("there is no broker here: run the plugin through testing::Host")
}

impl Default for State {
    fn default() -> Self {
        Self {
            now_ms: START_MS,
            log: Vec::new(),
            tags: BTreeMap::new(),
            cached_ms: None,
            counts: BTreeMap::new(),
            kv_error: None,
            #[cfg(feature = "message")]
            content: crate::message::Content::Json,
            #[cfg(feature = "crypto")]
            keys: Rc::default(),
            entries: HashMap::new(),
            buckets: HashMap::new(),
        }
    }
}

impl State {
    fn door(&self, key: &str, value: &[u8]) -> Result<(), kv::Error> {
        if let Some(error) = self.kv_error {
            return Err(error);
        }
        let fits = !key.is_empty() && key.len() <= 256 && value.len() <= 64 * 1024;
        fits.then_some(()).ok_or(kv::Error::TooLarge)
    }

    fn live(&mut self, key: &str) -> Option<&mut Entry> {
        let now = self.now_ms;
        self.entries
            .get_mut(key)
            .filter(|entry| entry.ends_ms.is_none_or(|ends| now < ends))
    }

    pub(crate) fn kv_get(&mut self, key: &str) -> Result<Option<Vec<u8>>, kv::Error> {
        self.door(key, &[])?;
        Ok(self.live(key).map(|entry| entry.value.clone()))
    }

    pub(crate) fn kv_set(&mut self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), kv::Error> {
        self.door(key, value)?;
        let ends_ms = ttl_ms.map(|ttl| self.now_ms.saturating_add(ttl));
        let entry = Entry {
            value: value.to_vec(),
            counter: false,
            ends_ms,
        };
        self.entries.insert(key.to_owned(), entry);
        Ok(())
    }

    pub(crate) fn kv_delete(&mut self, key: &str) -> Result<(), kv::Error> {
        self.door(key, &[])?;
        self.entries.remove(key);
        Ok(())
    }

    pub(crate) fn kv_increment(&mut self, key: &str, by: i64, ttl_ms: Option<u64>) -> Result<i64, kv::Error> {
        self.door(key, &[])?;
        if let Some(entry) = self.live(key) {
            let text = std::str::from_utf8(&entry.value).ok().filter(|_| entry.counter);
            let number: i64 = text.and_then(|t| t.parse().ok()).ok_or(kv::Error::NotANumber)?;
            let sum = number.saturating_add(by);
            entry.value = sum.to_string().into_bytes();
            return Ok(sum);
        }
        let ends_ms = ttl_ms.map(|ttl| self.now_ms.saturating_add(ttl));
        let entry = Entry {
            value: by.to_string().into_bytes(),
            counter: true,
            ends_ms,
        };
        self.entries.insert(key.to_owned(), entry);
        Ok(by)
    }

    pub(crate) fn kv_keys(&self) -> Vec<String> {
        let live = |entry: &Entry| entry.ends_ms.is_none_or(|ends| self.now_ms < ends);
        let mut keys: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| live(entry))
            .map(|(key, _)| key.clone())
            .collect();
        keys.sort();
        keys
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a test's clock and waits are far below 2^52 ms"
    )]
    pub(crate) fn take(&mut self, key: &str, per_second: f64, burst: u32, cost: u32) -> Result<(), u64> {
        let now = self.now_ms;
        let full = Bucket {
            tokens: f64::from(burst),
            at_ms: now,
        };
        let bucket = self.buckets.entry(key.to_owned()).or_insert(full);
        let gained = (now - bucket.at_ms) as f64 / 1000.0 * per_second;
        bucket.tokens = (bucket.tokens + gained).min(f64::from(burst));
        bucket.at_ms = now;
        let missing = f64::from(cost) - bucket.tokens;
        if missing <= 0.0 {
            bucket.tokens -= f64::from(cost);
            Ok(())
        } else if cost > burst || per_second <= 0.0 {
            Err(u64::MAX)
        } else {
            Err((missing / per_second * 1000.0).ceil() as u64)
        }
    }

    pub(crate) fn tag(&mut self, key: &str, value: &str) {
        self.tags.insert(key.to_owned(), value.to_owned());
        assert!(
            self.tags.len() <= TAGS,
            "more than {TAGS} tags on a message are a fault"
        );
        assert!(key.len() <= 32, "a tag's key over 32 bytes is a fault: {key}");
        assert!(value.len() <= 256, "a tag's value over 256 bytes is a fault: {key}");
    }
}
