//! Where a slot's instance is while nobody calls it: its slot calls it there, and the pool may take it away when another
//! needs the room.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::super::instance::Instance;

/// Of a [`UseStamp`], the part that tells two uses in one tick apart.
const USES_BITS: u32 = 20;

/// When an instance was used last: ticks, and a number that differs from that of the use before. Ordered by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct UseStamp(u64);

/// The place of one instance.
#[derive(Default)]
pub(in super::super) struct InstanceCell {
    /// Locked during a call. Others only try, so a call waits for nobody, and is never disturbed.
    held: Mutex<Held>,
    is_there: AtomicBool,
    used: AtomicU64,
    /// The instance has been called since it was put here.
    was_called: AtomicBool,
    /// It is in the pool's list.
    pub(super) is_listed: AtomicBool,
}

/// What is in a cell.
#[derive(Default)]
pub(in super::super) struct Held {
    pub(in super::super) instance: Option<Box<Instance>>,
    /// Its slot is gone.
    is_closed: bool,
}

// === impl UseStamp ===

impl UseStamp {
    pub(in super::super) fn new(tick: u64, use_number: u64) -> Self {
        Self((tick << USES_BITS) | (use_number & ((1 << USES_BITS) - 1)))
    }

    pub(super) fn tick(self) -> u64 {
        self.0 >> USES_BITS
    }
}

// === impl InstanceCell ===

impl InstanceCell {
    /// Its slot is about to call: is there an instance? Whoever would take it away sees this before it does, so a yes holds
    /// until the call that follows.
    pub(in super::super) fn touch(&self, now: UseStamp) -> bool {
        self.used.store(now.0, Ordering::SeqCst);
        self.is_there.load(Ordering::SeqCst)
    }

    /// What is there, for a call. The slot that empties it says so with [`emptied`](Self::emptied).
    pub(in super::super) fn lock(&self) -> MutexGuard<'_, Held> {
        let held = self.held.lock();
        self.was_called.store(true, Ordering::Relaxed);
        held
    }

    /// Its instance is used up.
    pub(in super::super) fn emptied(&self) {
        self.is_there.store(false, Ordering::SeqCst);
    }

    /// Puts an instance there. It comes back if the slot is gone.
    pub(super) fn put(&self, instance: Box<Instance>, now: UseStamp) -> Result<(), Box<Instance>> {
        let mut held = self.held.lock();
        if held.is_closed {
            return Err(instance);
        }
        self.was_called.store(false, Ordering::Relaxed);
        self.used.store(now.0, Ordering::SeqCst);
        held.instance = Some(instance);
        self.is_there.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Takes it out, by its slot.
    pub(in super::super) fn take(&self) -> Option<Box<Instance>> {
        let mut held = self.held.lock();
        self.emptied();
        held.instance.take()
    }

    /// Its slot is gone. Returns what it left.
    pub(in super::super) fn close(&self) -> Option<Box<Instance>> {
        let mut held = self.held.lock();
        held.is_closed = true;
        self.emptied();
        held.instance.take()
    }

    /// Takes it out if it was not used since `stamp`, and is not in use.
    pub(super) fn take_unused(&self, stamp: UseStamp) -> Option<Box<Instance>> {
        let mut held = self.held.try_lock()?;
        held.instance.as_ref()?;
        self.is_there.store(false, Ordering::SeqCst);
        // See `touch`: one of the two sees what the other wrote.
        if self.used() != stamp {
            self.is_there.store(true, Ordering::SeqCst);
            return None;
        }
        held.instance.take()
    }

    pub(super) fn used(&self) -> UseStamp {
        UseStamp(self.used.load(Ordering::SeqCst))
    }

    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::SeqCst)
    }

    pub(super) fn was_called(&self) -> bool {
        self.was_called.load(Ordering::Relaxed)
    }
}
