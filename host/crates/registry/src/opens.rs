//! What sessions of a single node were opened with, so that a first request that is said again finds what it began.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::session_owner::{OpenClaim, SecretHash, SessionOwner};

/// For how long it is remembered with what a session was opened. Longer than a session waits for its client.
pub(crate) const OPEN: Duration = Duration::from_mins(2);
/// What a tenant's sessions were opened with that is remembered at once. The oldest is forgotten for one more: said again, it
/// opens another session.
pub(crate) const OPENS: usize = 16_384;

/// By tenants.
#[derive(Default)]
pub(crate) struct OpenedWith(Mutex<AllOpens>);

#[derive(Default)]
struct AllOpens {
    tenants: HashMap<Arc<str>, TenantOpens, RandomState>,
    swept: Option<Instant>,
}

#[derive(Default)]
struct TenantOpens {
    sessions: HashMap<SecretHash, Arc<str>, RandomState>,
    /// All of them, and until when each is remembered.
    ends: VecDeque<(Instant, SecretHash)>,
}

// === impl OpenedWith ===

impl OpenedWith {
    pub(crate) fn claim(&self, tenant: &Arc<str>, open: &SecretHash, session: &Arc<str>, now: Instant) -> OpenClaim {
        let mut all = self.0.lock();
        all.sweep(now);
        let opens = all.tenants.entry(tenant.clone()).or_default();
        opens.forget_old(now);
        if let Some(theirs) = opens.sessions.get(open) {
            return OpenClaim::of(SessionOwner::Here, theirs, session);
        }
        if opens.ends.len() >= OPENS
            && let Some((_, oldest)) = opens.ends.pop_front()
        {
            opens.sessions.remove(&oldest);
        }
        opens.sessions.insert(*open, session.clone());
        opens.ends.push_back((now + OPEN, *open));
        OpenClaim::Mine
    }
}

// === impl AllOpens ===

impl AllOpens {
    /// Forgets tenants that open nothing any more.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now < swept + OPEN) {
            return;
        }
        self.swept = Some(now);
        self.tenants.retain(|_, opens| {
            opens.forget_old(now);
            !opens.ends.is_empty()
        });
    }
}

// === impl TenantOpens ===

impl TenantOpens {
    fn forget_old(&mut self, now: Instant) {
        while let Some((end, open)) = self.ends.front()
            && *end <= now
        {
            self.sessions.remove(open);
            self.ends.pop_front();
        }
    }
}

// === impl OpenClaim ===

impl OpenClaim {
    /// The claim of `mine`, where this session has claimed it first.
    pub(crate) fn of(owner: SessionOwner, first: &Arc<str>, mine: &Arc<str>) -> Self {
        if first == mine {
            return Self::Mine;
        }
        Self::Theirs {
            owner,
            session: first.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> SecretHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    }

    #[test]
    fn what_is_remembered_is_bounded_and_ends() {
        let (opens, begin) = (OpenedWith::default(), Instant::now());
        let acme: Arc<str> = "acme".into();
        let claim = |number, session: &str, now| opens.claim(&acme, &hash(number), &session.into(), now);
        for number in 0..OPENS {
            assert_eq!(claim(number, "first", begin), OpenClaim::Mine);
        }
        let first_again = |number, now| claim(number, "again", now) != OpenClaim::Mine;
        assert!(first_again(0, begin) && first_again(OPENS - 1, begin));
        assert_eq!(claim(OPENS, "first", begin), OpenClaim::Mine);
        assert!(first_again(1, begin), "only the oldest gave way");
        assert!(!first_again(0, begin));
        assert!(first_again(2, begin + OPEN / 2));
        assert!(!first_again(2, begin + OPEN));
        let other: Arc<str> = "other".into();
        opens.claim(&other, &hash(0), &"first".into(), begin + 3 * OPEN);
        let all = opens.0.lock();
        assert_eq!(
            all.tenants.keys().collect::<Vec<_>>(),
            [&other],
            "nothing is left of the others"
        );
    }
}
