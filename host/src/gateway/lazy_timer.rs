//! A timer for what is nearly always over before its time, again and again. It is set for the earliest of those times and not taken
//! back when they are over: it rings too early then, and is set anew.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Later than anything that is waited for.
const LATE: Duration = Duration::from_hours(1);

pub(super) struct LazyTimer(Pin<Box<Sleep>>);

// === impl LazyTimer ===

impl LazyTimer {
    pub(super) fn new() -> Self {
        Self(Box::pin(sleep(LATE)))
    }

    /// What comes of `future` within so much time; none if nothing does.
    pub(super) async fn within<T>(&mut self, time: Duration, future: impl Future<Output = T>) -> Option<T> {
        self.until(Instant::now() + time, future).await
    }

    /// What comes of `future` until then; none if nothing does.
    pub(super) async fn until<T>(&mut self, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        if self.0.deadline() > deadline {
            self.0.as_mut().reset(deadline);
        }
        poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            while self.0.as_mut().poll(cx).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(None);
                }
                self.0.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_time_whatever_was_waited_for_before() {
        let mut timer = LazyTimer::new();
        let second = Duration::from_secs(1);
        // How long it may take, and takes.
        for (time, takes) in [
            (10, 1),
            (55, 3),
            (10, 2),
            (2, 30),
            (55, 54),
            (55, 56),
            (1, 2),
            (7_200, 7_199),
        ] {
            let before = Instant::now();
            let done = timer.within(time * second, sleep(takes * second)).await;
            assert_eq!(done.is_some(), takes < time, "{takes} of {time} s");
            assert_eq!(
                before.elapsed().as_secs(),
                u64::from(takes.min(time)),
                "{takes} of {time} s"
            );
        }
        assert_eq!(timer.within(second, pending::<()>()).await, None);
    }
}
