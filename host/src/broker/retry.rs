//! When quarantined tenants are tried again without being told to: what failed may have been a matter of the moment, as
//! a busy machine, or a file that was just being written.

use std::future::pending;
use std::time::Duration;

use tokio::time::Instant;

/// From a load to the first retry; doubled from one to the next …
const FIRST: Duration = Duration::from_secs(30);
/// … up to this.
const LONGEST: Duration = Duration::from_mins(10);

/// The next retry, if there is one.
#[derive(Default)]
pub(super) struct RetryTimer {
    pause: Duration,
    due: Option<Instant>,
}

impl RetryTimer {
    /// The config was loaded, with quarantined tenants or without.
    pub(super) fn loaded(&mut self, quarantined: bool) {
        self.pause = FIRST;
        self.due = quarantined.then(|| Instant::now() + self.pause);
    }

    /// Quarantined tenants were tried again, and some remain or none.
    pub(super) fn retried(&mut self, quarantined: bool) {
        self.pause = (self.pause * 2).min(LONGEST);
        self.due = quarantined.then(|| Instant::now() + self.pause);
    }

    /// Tenants changed, and some are quarantined or none. A retry that is due soon stays so.
    pub(super) fn noticed(&mut self, quarantined: bool) {
        if !quarantined {
            self.due = None;
        } else if self.due.is_none() {
            self.loaded(true);
        }
    }

    /// Waits until it is time; for ever if nobody is quarantined.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_the_longest() {
        let mut timer = RetryTimer::default();
        timer.loaded(true);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let start = Instant::now();
            timer.due().await;
            pauses.push(start.elapsed().as_secs());
            timer.retried(true);
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 600, 600, 600]);
        timer.loaded(true);
        let start = Instant::now();
        timer.due().await;
        assert_eq!(start.elapsed().as_secs(), 30, "a reload begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn changes_of_tenants_do_not_put_off_a_retry() {
        let mut timer = RetryTimer::default();
        let start = Instant::now();
        timer.noticed(true);
        for _ in 0..4 {
            tokio::time::advance(FIRST / 5).await;
            timer.noticed(true);
        }
        timer.due().await;
        assert_eq!(start.elapsed().as_secs(), 30);
        timer.noticed(false);
        assert!(tokio::time::timeout(LONGEST, timer.due()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn without_quarantined_tenants_nothing_is_due() {
        let mut timer = RetryTimer::default();
        for quarantined in [false, true] {
            timer.loaded(quarantined);
            timer.retried(false);
            let late = tokio::time::timeout(LONGEST * 10, timer.due()).await;
            assert!(late.is_err());
        }
    }
}
