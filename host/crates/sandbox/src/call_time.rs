//! The time of one call: the guest's own, and what the host does for it.
//!
//! A guest is interrupted by epochs, which it looks at in loops and function entries. The host's work for it is none of
//! these: a guest may ask for much in a straight line. So the deadline is looked at after each host call and when the
//! hook returns, and the host's work is charged over the whole call.
//!
//! A look is due once the deadline has passed on the clock on the wall, whose ticks cost nothing to read. What then
//! counts is the thread's processor time and what it waited for stores: a thread that the kernel let wait is late
//! without having run, and its guest did nothing wrong.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use wasmtime::Trap;

/// How often the ticker counts: the grain of every deadline.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// A call may go on for so long after its deadline: the tick it began in, and the start's processor time, which is
/// read once a tick at least. Where the machine was so busy that this tick came late, by as much longer.
const GRACE: Duration = Duration::from_millis(2);

/// The least that a host call takes, whatever it does.
const HOST_CALL: Duration = Duration::from_nanos(20);
/// The host copies or looks through no more than this in a nanosecond.
const BYTES_PER_NANOSECOND: usize = 8;

/// Calls of a thread that may begin with the processor time that was read for an earlier one.
const CALLS_PER_READING: u32 = 64;

/// So many of the latest ticks are remembered to have been late.
const REMEMBERED: usize = 64;

/// Ticks since the start, counted by the engine's ticker.
#[derive(Clone, Debug)]
pub(super) struct Ticks(Arc<TickCount>);

#[derive(Debug)]
struct TickCount {
    ticks: AtomicU64,
    /// By how many microseconds the latest ticks were late, each in the place of its number.
    late: [AtomicU64; REMEMBERED],
}

/// Time of the call that is under way.
#[derive(Debug)]
pub(super) struct CallTime {
    ticks: Ticks,
    /// The tick in which the call began.
    tick: u64,
    deadline: Duration,
    /// From this tick on the processor time is looked at.
    look_at: u64,
    /// The thread's processor time when the call began, or up to a tick before.
    began: Duration,
    /// Charged for host work.
    charged: Duration,
}

// === impl Ticks ===

impl Ticks {
    pub(super) fn start() -> Self {
        // No two counters of a process meet: a thread may serve several.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(Arc::new(TickCount {
            ticks: AtomicU64::new(NEXT.fetch_add(1 << 40, Ordering::Relaxed)),
            late: [const { AtomicU64::new(0) }; REMEMBERED],
        }))
    }

    /// A tick is over that lasted so long. Only the ticker counts.
    pub(super) fn count(&self, lasted: Duration) {
        let late = u64::try_from(lasted.saturating_sub(TICK).as_micros()).unwrap_or(u64::MAX);
        self.late_at(self.now()).store(late, Ordering::Relaxed);
        self.0.ticks.fetch_add(1, Ordering::Release);
    }

    pub(super) fn now(&self) -> u64 {
        self.0.ticks.load(Ordering::Acquire)
    }

    /// By how much longer than planned a tick lasted that is over; zero if that is long ago.
    fn late(&self, tick: u64) -> Duration {
        let is_remembered = (1..REMEMBERED as u64).contains(&self.now().saturating_sub(tick));
        let late = || Duration::from_micros(self.late_at(tick).load(Ordering::Relaxed));
        is_remembered.then(late).unwrap_or_default()
    }

    fn late_at(&self, tick: u64) -> &AtomicU64 {
        &self.0.late[usize::try_from(tick % REMEMBERED as u64).unwrap_or_default()]
    }
}

// === impl CallTime ===

impl CallTime {
    pub(super) fn new(ticks: Ticks) -> Self {
        Self {
            ticks,
            tick: 0,
            deadline: Duration::ZERO,
            look_at: 0,
            began: Duration::ZERO,
            charged: Duration::ZERO,
        }
    }

    /// A call with this deadline begins on this thread.
    pub(super) fn begin(&mut self, deadline: Duration) {
        let now = self.ticks.now();
        self.tick = now;
        self.deadline = deadline;
        self.look_at = now.saturating_add(ticks(deadline));
        self.began = recent_processor_time(now);
        self.charged = Duration::ZERO;
    }

    /// The host is about to copy or look through `bytes` for the guest.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Trap> {
        let nanoseconds = bytes / BYTES_PER_NANOSECOND;
        self.add(Duration::from_nanos(nanoseconds as u64))
    }

    /// A host call is done; the call has waited so long for stores.
    pub(super) fn after_host_call(&mut self, waited: Duration) -> Result<(), Trap> {
        self.add(HOST_CALL)?;
        self.look(waited).map(drop)
    }

    /// Whether the call may go on, and for how many ticks until the next look.
    pub(super) fn look(&mut self, waited: Duration) -> Result<u64, Trap> {
        let now = self.ticks.now();
        if now < self.look_at {
            return Ok(self.look_at - now);
        }
        // Without that clock the one on the wall decides.
        let left = processor_time().and_then(|now| self.left(now, waited));
        let left = left.ok_or(Trap::Interrupt)?;
        self.look_at = now + left;
        Ok(left)
    }

    /// Ticks that are left when the thread's processor time is `now`; none: the call is over.
    fn left(&self, now: Duration, waited: Duration) -> Option<u64> {
        let used = now.saturating_sub(self.began) + waited;
        let left = (self.deadline + GRACE + self.ticks.late(self.tick)).checked_sub(used)?;
        Some(ticks(left) - 1).map(|whole| whole.max(1))
    }

    fn add(&mut self, time: Duration) -> Result<(), Trap> {
        self.charged += time;
        if self.charged > self.deadline {
            return Err(Trap::Interrupt);
        }
        Ok(())
    }
}

/// Ticks that are at least `time`: the one in which a call begins may end at once.
pub(super) fn ticks(time: Duration) -> u64 {
    let whole = time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(whole).unwrap_or(u64::MAX / 2).saturating_add(1)
}

/// This thread's processor time, or what it was in the same tick and at most [`CALLS_PER_READING`] calls ago: asking the
/// kernel takes a good part of a small hook's own time.
fn recent_processor_time(tick: u64) -> Duration {
    #[derive(Clone, Copy)]
    struct Reading {
        tick: u64,
        calls: u32,
        time: Duration,
    }
    thread_local! {
        static LAST: Cell<Reading> = const {
            Cell::new(Reading { tick: u64::MAX, calls: 0, time: Duration::ZERO })
        };
    }
    LAST.with(|last| {
        let mut reading = last.get();
        if reading.tick != tick || reading.calls == CALLS_PER_READING {
            reading = Reading {
                tick,
                calls: 0,
                time: processor_time().unwrap_or_default(),
            };
        }
        reading.calls += 1;
        last.set(reading);
        reading.time
    })
}

/// This thread's processor time; none where the system does not tell.
fn processor_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn begun(deadline: Duration) -> CallTime {
        let mut time = CallTime::new(Ticks::start());
        time.begin(deadline);
        time
    }

    #[test]
    fn a_thread_that_did_not_run_is_not_late() {
        let time = begun(5 * MS);
        let at = |used: Duration, waited: Duration| time.left(time.began + used, waited);
        assert_eq!(at(Duration::ZERO, Duration::ZERO), Some(7));
        assert_eq!(at(5 * MS, Duration::ZERO), Some(2));
        assert_eq!(at(7 * MS, Duration::ZERO), Some(1));
        assert_eq!(at(7 * MS + MS / 10, Duration::ZERO), None);
        assert_eq!(at(4 * MS, 4 * MS), None, "waiting for a store is the guest's time");
    }

    #[test]
    fn no_look_is_due_before_the_deadline_and_one_that_allows_puts_off_the_next() {
        let mut time = begun(5 * MS);
        assert_eq!(time.look(1000 * MS).unwrap(), 6);
        for _ in 0..6 {
            time.ticks.count(TICK);
        }
        assert!(time.look(Duration::ZERO).is_ok());
        assert!(time.look_at > time.ticks.now());
        assert!(time.look(1000 * MS).is_ok());
        for _ in 0..7 {
            time.ticks.count(TICK);
        }
        assert_eq!(time.look(1000 * MS), Err(Trap::Interrupt));
    }

    #[test]
    fn who_begins_in_a_tick_that_comes_late_has_as_much_longer() {
        let time = begun(5 * MS);
        let left = || time.left(time.began + 10 * MS, Duration::ZERO);
        assert_eq!(left(), None);
        time.ticks.count(9 * TICK);
        assert_eq!(left(), Some(5), "it began up to 8 ms after its processor time was read");
        for _ in 0..REMEMBERED {
            time.ticks.count(TICK);
        }
        assert_eq!(left(), None, "the tick is forgotten");
    }

    #[test]
    fn host_work_is_charged_over_the_whole_call() {
        let mut time = begun(MS);
        let whole = 8 * 1_000_000;
        for _ in 0..10 {
            time.charge(whole / 10).unwrap();
        }
        assert_eq!(time.charge(8), Err(Trap::Interrupt));
        time.begin(MS);
        for _ in 0..50_000 {
            time.after_host_call(Duration::ZERO).unwrap();
        }
        assert_eq!(time.after_host_call(Duration::ZERO), Err(Trap::Interrupt));
    }
}
