//! Whether this node and all others of the prefix have the same number of partitions. Until that is known for the
//! server as it is now connected, and while it is not so, nothing is published: the nodes would not meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Heartbeats that find no number until a node whose own was wrong sets it: those that have the right one come first.
const ABSENT: u32 = 3;

/// What the last check found.
#[derive(Default)]
pub(super) struct PartitionCheck {
    /// The connect on which the numbers were the same; 0: none.
    checked: AtomicU64,
    mismatch: Mutex<Option<Mismatch>>,
}

struct Mismatch {
    why: Arc<str>,
    absent: u32,
}

impl PartitionCheck {
    /// Both have the same number; `connect` is the one over which that was seen.
    pub(super) fn matches(&self, connect: u64) {
        if self.mismatch.lock().take().is_some() {
            tracing::info!("the number of partitions is right again; this node goes on");
        }
        self.checked.store(connect, Ordering::Relaxed);
    }

    /// Redis has another number, or none.
    pub(super) fn differs(&self, ours: usize, theirs: &str) {
        let mut mismatch = self.mismatch.lock();
        if theirs.is_empty() {
            if let Some(mismatch) = &mut *mismatch {
                mismatch.absent += 1;
            }
            return;
        }
        let why = format!(
            "the prefix has {theirs} partitions in Redis, this node {ours}: set backplane.partitions to {theirs}, or \
             give this node another backplane.prefix"
        );
        if mismatch.is_none() {
            tracing::error!("{why}; until then this node publishes nothing");
        }
        *mismatch = Some(Mismatch {
            why: why.into(),
            absent: 0,
        });
    }

    /// Whether this node may set the number, if there is none.
    pub(super) fn may_set(&self) -> bool {
        self.mismatch
            .lock()
            .as_ref()
            .is_none_or(|mismatch| mismatch.absent >= ABSENT)
    }

    /// Why this node must not publish, if the numbers differ.
    pub(super) fn mismatch(&self) -> Option<Arc<str>> {
        self.mismatch.lock().as_ref().map(|mismatch| mismatch.why.clone())
    }

    /// Whether the numbers were the same over `connect`, or at any time if the server is away.
    pub(super) fn is_checked(&self, connect: Option<u64>) -> bool {
        let checked = self.checked.load(Ordering::Relaxed);
        checked != 0 && connect.is_none_or(|connect| connect == checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connect_is_checked_anew() {
        let check = PartitionCheck::default();
        assert!(!check.is_checked(Some(1)) && !check.is_checked(None));
        check.matches(1);
        assert!(check.is_checked(Some(1)));
        assert!(
            check.is_checked(None),
            "the server is away, and nothing else has changed"
        );
        assert!(!check.is_checked(Some(2)));
    }

    #[test]
    fn who_had_the_wrong_number_does_not_set_it_first() {
        let check = PartitionCheck::default();
        assert!(check.may_set());
        check.differs(256, "64");
        assert!(check.mismatch().unwrap().contains("64 partitions"));
        for _ in 0..ABSENT {
            assert!(!check.may_set());
            check.differs(256, "");
        }
        assert!(check.may_set(), "nobody else is there");
        check.differs(256, "64");
        assert!(!check.may_set());
        check.matches(7);
        assert!(check.mismatch().is_none() && check.may_set());
    }
}
