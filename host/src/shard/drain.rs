//! The end of a shard: every session is told to go, and those that do not in time are cut off.

use std::pin::pin;
use std::time::Duration;

use super::Shard;
use protocol::codes;

impl Shard {
    /// Signals every session to end, spread over the available time. Each client is told another time to come back
    /// after, so that they do not reach the next node all at once.
    pub(super) async fn drain(&self, over: Duration) {
        self.draining.set(true);
        let clients: Vec<_> = self
            .clients
            .borrow()
            .values()
            .map(|listed| listed.client.clone())
            .collect();
        // The last part of the time is for sessions that are still ending.
        let step = over.mul_f64(0.8) / u32::try_from(clients.len()).unwrap_or(u32::MAX).max(1);
        let begin = tokio::time::Instant::now();
        let spread = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1);
        let tell_all = async move {
            for (index, client) in (0u32..).zip(clients) {
                let retry_after = getrandom::u64().unwrap_or_default() % spread;
                tokio::time::sleep_until(begin + step * index).await;
                client.signal_close(codes::SHUTTING_DOWN, Some(retry_after));
            }
        };
        let mut all_gone = pin!(async {
            while !self.clients.borrow().is_empty() {
                self.empty.notified().await;
            }
            self.turns.none_departed().await;
        });
        let drained = async {
            // Whoever leaves unasked need not be told.
            tokio::select! {
                () = &mut all_gone => return,
                () = tell_all => {}
            }
            all_gone.await;
        };
        if tokio::time::timeout_at(begin + over, drained).await.is_err() {
            let left = self.clients.borrow().len();
            let hooks = self.turns.departed();
            tracing::warn!(
                shard = self.index,
                left,
                hooks,
                "the drain time is over; the rest is cut off"
            );
        }
    }
}
