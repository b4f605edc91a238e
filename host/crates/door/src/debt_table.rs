//! A bounded memory of who came too often. What is as new is not kept, and who is to be forgotten for want of room is
//! whoever would be forgotten first anyway: whoever comes often stays, so that nobody is rid of a count by letting others
//! come who count for less.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// How long something is to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matters {
    /// It is as new.
    No,
    Until(Instant),
    /// It must not be forgotten.
    Always,
}

/// What is remembered of one.
pub(crate) trait Debt: Default {
    /// How long it matters.
    fn matters(&self) -> Matters;
}

pub(crate) struct DebtTable<K, D> {
    debts: HashMap<K, D>,
    /// Those that may be forgotten, by when they are as new.
    by_end: BTreeSet<(Instant, K)>,
    /// How many of these there may be.
    most: usize,
}

/// Entries that do not matter any more and are looked for with each change, at most. More than are added, so none remain for long.
const FORGOTTEN_AT_ONCE: usize = 4;

// === impl DebtTable ===

impl<K: Clone + Eq + Hash + Ord, D: Debt> DebtTable<K, D> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            debts: HashMap::new(),
            by_end: BTreeSet::new(),
            most,
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&D> {
        self.debts.get(key)
    }

    /// Changes what is remembered of `key`, which is a new one if there is nothing.
    pub(crate) fn change<R>(&mut self, key: &K, now: Instant, change: impl FnOnce(&mut D) -> R) -> R {
        let mut debt = self.take(key);
        let result = change(&mut debt);
        match debt.matters() {
            Matters::Until(end) if end > now => {
                self.by_end.insert((end, key.clone()));
                self.debts.insert(key.clone(), debt);
            }
            Matters::Always => drop(self.debts.insert(key.clone(), debt)),
            Matters::No | Matters::Until(_) => {}
        }
        self.forget(now);
        result
    }

    fn take(&mut self, key: &K) -> D {
        let Some(debt) = self.debts.remove(key) else {
            return D::default();
        };
        if let Matters::Until(end) = debt.matters() {
            self.by_end.remove(&(end, key.clone()));
        }
        debt
    }

    fn forget(&mut self, now: Instant) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let is_full = self.by_end.len() > self.most;
            match self.by_end.first() {
                Some((end, _)) if is_full || *end <= now => {}
                _ => return,
            }
            if let Some((_, key)) = self.by_end.pop_first() {
                self.debts.remove(&key);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.debts.len()
    }
}
