//! Clients whose calls faulted, and until when they are not served: a fault costs an instance, and so it costs its own
//! session first. Knows neither plugin nor verdict.

use std::time::{Duration, Instant};

use super::client::{Asking, ClientKey};

/// Faults of a session in a hook at once; as many more in each [`REFILL`]. One more suspends it.
const SESSION_FAULTS: f64 = 3.0;
/// Faults of all that comes from one address at once; as many more in each [`REFILL`]. More suspend what is new from
/// there, so that who reconnects does not begin anew.
const ADDRESS_FAULTS: f64 = 20.0;
const REFILL: Duration = Duration::from_secs(10);
/// The first suspension; each that follows closely is twice as long …
const FIRST: Duration = Duration::from_secs(1);
/// … up to this.
const LONGEST: Duration = Duration::from_secs(30);

/// Clients that are remembered: so many sets of so many, which one is for the hash to say. In a full set the one whose
/// fault is the longest ago is forgotten, so a full table costs no more than an empty one.
const SETS: usize = 64;
const WAYS: usize = 8;

/// The clients of one slot.
#[derive(Debug, Default)]
pub(super) struct Suspensions {
    /// Empty as long as nobody causes faults: then a call costs one look at a length.
    records: Vec<Option<FaultHistory>>,
}

/// Who was just suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspended {
    Session(Duration),
    Address(Duration),
}

#[derive(Clone, Debug)]
struct FaultHistory {
    key: ClientKey,
    /// Faults that count, as of `last`.
    faults: f64,
    last: Instant,
    wait: Duration,
    /// When the first of the suspensions that follow closely began, and when the latest ends.
    suspended: Option<(Instant, Instant)>,
}

// === impl Suspensions ===

impl Suspensions {
    /// For how long the client is not served yet. `now` is asked for only if somebody caused faults.
    #[inline]
    pub(super) fn check(&self, asking: Asking<'_>, now: impl FnOnce() -> Instant) -> Option<Duration> {
        if self.records.is_empty() {
            return None;
        }
        self.look_up(asking, now())
    }

    #[cold]
    fn look_up(&self, asking: Asking<'_>, now: Instant) -> Option<Duration> {
        let (_, session) = self.suspended(asking.session(), now).unzip();
        let address = self.suspended(asking.address(), now);
        // Sessions that were open before are not to blame for what is new from their address.
        let address = address.filter(|(since, _)| asking.is_new() || asking.caller.opened > *since);
        session.max(address.map(|(_, left)| left))
    }

    fn suspended(&self, key: ClientKey, now: Instant) -> Option<(Instant, Duration)> {
        let record = self.set(key).iter().flatten().find(|record| record.key == key)?;
        let (since, until) = record.suspended?;
        (until > now).then(|| (since, until - now))
    }

    /// Counts a fault for its session and its address. Says who is suspended for it.
    pub(super) fn fault(&mut self, asking: Asking<'_>, now: Instant) -> Option<Suspended> {
        if self.records.is_empty() {
            self.records = vec![None; SETS * WAYS];
        }
        let session = self.count(asking.session(), SESSION_FAULTS, now);
        let address = self.count(asking.address(), ADDRESS_FAULTS, now);
        address.map(Suspended::Address).or(session.map(Suspended::Session))
    }

    fn count(&mut self, key: ClientKey, allowed: f64, now: Instant) -> Option<Duration> {
        let start = key.place(SETS) * WAYS;
        let set = &mut self.records[start..start + WAYS];
        let known = set
            .iter()
            .position(|record| record.as_ref().is_some_and(|record| record.key == key));
        // Of records that are not there the last fault is the longest ago.
        let oldest = || (0..WAYS).min_by_key(|way| set[*way].as_ref().map(|record| record.last));
        let way = known.or_else(oldest)?;
        let place = &mut set[way];
        if known.is_none() {
            *place = None;
        }
        place
            .get_or_insert_with(|| FaultHistory::new(key, now))
            .fault(allowed, now)
    }

    fn set(&self, key: ClientKey) -> &[Option<FaultHistory>] {
        let start = key.place(SETS) * WAYS;
        &self.records[start..start + WAYS]
    }

    /// Forgets all, once the last fault was so long ago that none of it matters any more. Called now and then.
    pub(super) fn rest(&mut self, now: Instant) {
        if self.records.iter().flatten().all(|record| record.is_over(now)) {
            self.records = Vec::new();
        }
    }
}

// === impl FaultHistory ===

impl FaultHistory {
    fn new(key: ClientKey, now: Instant) -> Self {
        Self {
            key,
            faults: 0.0,
            last: now,
            wait: FIRST,
            suspended: None,
        }
    }

    fn fault(&mut self, allowed: f64, now: Instant) -> Option<Duration> {
        if self.is_over(now) {
            *self = Self::new(self.key, now);
        }
        let refilled = now.duration_since(self.last).as_secs_f64() / REFILL.as_secs_f64() * allowed;
        self.faults = (self.faults - refilled).max(0.0) + 1.0;
        self.last = now;
        // A call that began before the suspension may end after it.
        let is_suspended = self.suspended.is_some_and(|(_, until)| until > now);
        if self.faults < allowed || is_suspended {
            return None;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST);
        let since = self.suspended.map_or(now, |(since, _)| since);
        self.suspended = Some((since, now + wait));
        Some(wait)
    }

    /// Whether it is as if there had been no fault.
    fn is_over(&self, now: Instant) -> bool {
        let quiet_from = self.suspended.map_or(self.last, |(_, until)| until.max(self.last));
        now.saturating_duration_since(quiet_from) > REFILL
    }
}

#[cfg(test)]
mod tests {
    use chain::{Caller, HookKind};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn caller(session: &str, address: &str) -> Caller {
        Caller::new(session.into(), "acme".into(), address.parse().unwrap(), "websocket")
    }

    fn publishes(caller: &Caller) -> Asking<'_> {
        Asking::in_session(HookKind::Publish, caller)
    }

    fn left(suspensions: &Suspensions, asking: Asking<'_>, now: Instant) -> Option<Duration> {
        suspensions.check(asking, || now)
    }

    #[test]
    fn a_few_faults_suspend_their_session_and_no_other() {
        let (bad, good) = (caller("bad", "192.0.2.1"), caller("good", "192.0.2.1"));
        let mut suspensions = Suspensions::default();
        let now = Instant::now();
        for _ in 0..2 {
            assert_eq!(suspensions.fault(publishes(&bad), now), None);
            assert_eq!(left(&suspensions, publishes(&bad), now), None);
        }
        assert_eq!(
            suspensions.fault(publishes(&bad), now),
            Some(Suspended::Session(SECOND))
        );
        assert_eq!(left(&suspensions, publishes(&bad), now), Some(SECOND));
        assert_eq!(left(&suspensions, publishes(&good), now), None);
        let other_hook = Asking::in_session(HookKind::Subscribe, &bad);
        assert_eq!(left(&suspensions, other_hook, now), None);
        assert_eq!(left(&suspensions, publishes(&bad), now + SECOND), None);
    }

    #[test]
    fn suspensions_grow_up_to_their_limit_and_are_forgotten_when_it_is_quiet() {
        let bad = caller("bad", "192.0.2.1");
        let mut suspensions = Suspensions::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..40 {
            if let Some(Suspended::Session(wait)) = suspensions.fault(publishes(&bad), now) {
                waits.push(wait.as_secs());
                now += wait;
            }
        }
        assert_eq!(waits[..7], [1, 2, 4, 8, 16, 30, 30]);
        now += REFILL + SECOND;
        suspensions.rest(now);
        assert!(suspensions.records.is_empty(), "nothing is kept of it");
        for _ in 0..2 {
            assert_eq!(suspensions.fault(publishes(&bad), now), None);
        }
    }

    #[test]
    fn faults_far_apart_suspend_nobody() {
        let bad = caller("bad", "192.0.2.1");
        let mut suspensions = Suspensions::default();
        let mut now = Instant::now();
        for _ in 0..100 {
            assert_eq!(suspensions.fault(publishes(&bad), now), None);
            now += SECOND * 4;
        }
    }

    #[test]
    fn who_comes_back_with_new_sessions_is_suspended_by_address() {
        let old = caller("old", "192.0.2.1");
        let mut suspensions = Suspensions::default();
        let now = Instant::now();
        let mut suspended = Vec::new();
        for n in 0..20 {
            let session = caller(&format!("s{n}"), "192.0.2.1");
            suspended.extend(suspensions.fault(publishes(&session), now));
        }
        assert_eq!(suspended, [Suspended::Address(SECOND)]);
        let new = caller("new", "192.0.2.1");
        let handshake = chain::Handshake::default();
        let at = now + SECOND / 2;
        for (asking, expected) in [
            (publishes(&new), Some(SECOND / 2)),
            (Asking::connect(&new, &handshake), Some(SECOND / 2)),
            // Was open before, or is from elsewhere.
            (publishes(&old), None),
            (publishes(&caller("new", "192.0.2.2")), None),
        ] {
            assert_eq!(left(&suspensions, asking, at), expected);
        }
    }

    #[test]
    fn a_full_table_forgets_the_oldest_and_does_not_grow() {
        let mut suspensions = Suspensions::default();
        let now = Instant::now();
        for n in 0..20_000_u32 {
            let at = now + Duration::from_millis(n.into());
            let session = caller(&format!("s{n}"), &std::net::Ipv4Addr::from(n).to_string());
            suspensions.fault(publishes(&session), at);
        }
        assert_eq!(suspensions.records.len(), SETS * WAYS);
        let bad = caller("bad", "192.0.2.1");
        let end = now + SECOND * 20;
        let last = (0..3).filter_map(|_| suspensions.fault(publishes(&bad), end)).last();
        assert_eq!(last, Some(Suspended::Session(SECOND)));
    }
}
