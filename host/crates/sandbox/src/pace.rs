//! Which calls of a hook are timed. Reading the clock twice takes a tenth of a small hook's own time, so a
//! busy slot does it for some of its calls and lets each stand for those after it.

use std::time::Duration;

/// Calls that are timed one by one after each [`Pace::rest`] …
const EACH: u32 = 64;
/// … and then one in so many.
const ONE_IN: u32 = 8;

/// The calls of one hook in one slot.
#[derive(Debug, Default)]
pub(super) struct Pace {
    calls: u32,
    took: Duration,
}

impl Pace {
    /// Whether the call that begins now is to be timed.
    pub(super) fn is_timed(&self) -> bool {
        self.calls < EACH || self.calls.is_multiple_of(ONE_IN)
    }

    /// The call is over. Gives the time to count it with: its own, or that of the last one that was timed.
    pub(super) fn count(&mut self, took: Option<Duration>) -> Duration {
        self.calls = self.calls.wrapping_add(1);
        self.took = took.unwrap_or(self.took);
        self.took
    }

    /// Begins anew: now and then, so that of a slot that is seldom asked every call is timed.
    pub(super) fn rest(&mut self) {
        self.calls = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_calls_are_all_timed_and_of_many_one_in_eight() {
        let mut pace = Pace::default();
        let mut timed = 0;
        let mut sum = Duration::ZERO;
        for call in 1..=1_064_u32 {
            let took = pace.is_timed().then(|| Duration::from_nanos(call.into()));
            timed += u32::from(took.is_some());
            sum += pace.count(took);
            assert!(call > EACH || took.is_some());
        }
        assert_eq!(timed, 64 + 125);
        let all: u64 = (1..=1_064).sum();
        assert!(
            sum.as_nanos().abs_diff(all.into()) < 8 * 1_064,
            "each stands for the next few"
        );
        pace.rest();
        assert!(pace.is_timed());
    }
}
