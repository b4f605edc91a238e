//! Instances by their last use. A use only writes a stamp, so an entry's order is put right when its turn comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::instance::Instance;
use super::cell::{InstanceCell, UseStamp};

/// Ticks for which an instance that was not called yet is left to whoever asked for it.
const FRESH: u64 = 1_000;
/// Ticks that a use is young: what was used by now is about to be used again.
const YOUNG: u64 = 2;
/// Entries beyond twice the instances at which empty ones are looked for.
const SPARE: usize = 1_024;

/// The cells with an instance, the least recently used first.
#[derive(Default)]
pub(super) struct Recency {
    cells: BTreeMap<(UseStamp, u64), Arc<InstanceCell>>,
    next: u64,
    sweep_at: usize,
}

// === impl Recency ===

impl Recency {
    /// An instance was put into `cell`.
    pub(super) fn list(&mut self, cell: &Arc<InstanceCell>) {
        if cell.is_listed.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.cells.len() >= self.sweep_at {
            self.cells.retain(|_, cell| {
                let is_there = cell.is_there();
                cell.is_listed.store(is_there, Ordering::Relaxed);
                is_there
            });
            self.sweep_at = self.cells.len() * 2 + SPARE;
        }
        self.insert(cell.used(), Arc::clone(cell));
    }

    /// Takes the instance that was not used for longest. None: all are in use, or about to be.
    pub(super) fn take_least(&mut self, now: u64) -> Option<Box<Instance>> {
        let mut kept = Vec::new();
        let taken = loop {
            let Some(((listed, _), cell)) = self.cells.pop_first() else {
                break None;
            };
            let used = cell.used();
            if !cell.is_there() {
                cell.is_listed.store(false, Ordering::Relaxed);
            } else if used.tick() + YOUNG > now && listed == used {
                // All behind it are as young, but for those that were used since they were listed.
                kept.push((used, cell));
                break None;
            } else if used != listed {
                self.insert(used, cell);
            } else if !cell.was_called() && used.tick() + FRESH > now {
                kept.push((used, cell));
            } else if let Some(instance) = cell.take_unused(used) {
                cell.is_listed.store(false, Ordering::Relaxed);
                break Some(instance);
            } else {
                kept.push((used, cell));
            }
        };
        for (used, cell) in kept {
            self.insert(used, cell);
        }
        taken
    }

    fn insert(&mut self, used: UseStamp, cell: Arc<InstanceCell>) {
        self.next += 1;
        self.cells.insert((used, self.next), cell);
    }
}
