//! The shard's clock: one timer for all sessions, each of which has one alarm at most.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::hub::ClientConnection;

#[derive(Default)]
pub struct Alarms {
    due: RefCell<BTreeMap<(Instant, u64), Weak<ClientConnection>>>,
    earlier: Notify,
}

impl Alarms {
    /// Signals `client` at `at`, instead of at `before` if that was set.
    pub fn set(&self, client: &Rc<ClientConnection>, before: Option<Instant>, at: Instant) {
        let mut due = self.due.borrow_mut();
        if let Some(before) = before {
            due.remove(&(before, client.id));
        }
        let first = due.first_key_value().map(|((first, _), _)| *first);
        due.insert((at, client.id), Rc::downgrade(client));
        if first.is_none_or(|first| at < first) {
            self.earlier.notify_one();
        }
    }

    /// Cancels the alarm at `at`.
    pub fn clear(&self, client: u64, at: Instant) {
        self.due.borrow_mut().remove(&(at, client));
    }

    /// Signals due alarms, for ever.
    pub async fn ring(&self) {
        loop {
            let first = self.due.borrow().first_key_value().map(|((first, _), _)| *first);
            match first {
                None => self.earlier.notified().await,
                Some(first) => {
                    // A new first alarm wakes this wait.
                    tokio::select! {
                        () = self.earlier.notified() => {}
                        () = tokio::time::sleep_until(first) => self.call_due(),
                    }
                }
            }
        }
    }

    fn call_due(&self) {
        let now = Instant::now();
        let mut due = self.due.borrow_mut();
        while let Some(entry) = due.first_entry()
            && entry.key().0 <= now
        {
            if let Some(client) = entry.remove().upgrade() {
                client.signal_alarm();
            }
        }
    }
}
