//! How long to wait before a faulted instance is built again: it grows with the clients whose calls faulted in a row. Not
//! the randomised pause between two tries to reach a server, which the Redis client calls a backoff.

use std::time::{Duration, Instant};

use super::client::ClientKey;

/// After the second client's fault in a row; the first is mended at once, and so are further ones of the same client: it
/// is suspended soon, and nobody else is to wait for it.
const FIRST: Duration = Duration::from_millis(50);
/// The wait doubles up to this.
const LONGEST: Duration = Duration::from_secs(5);
/// A fault this long after the one before it counts as the first again.
const FORGET: Duration = Duration::from_secs(10);
/// Clients that are told apart; the wait is at its longest with fewer.
const CLIENTS: usize = 16;

/// The faults of one slot since its last good answer.
#[derive(Debug, Default)]
pub(super) struct RebuildDelay {
    in_a_row: u32,
    clients: Vec<ClientKey>,
    last: Option<Instant>,
}

impl RebuildDelay {
    /// Counts a fault and says how long to wait before building anew. `client`: whose call it was; none, if there was no
    /// instance to call.
    pub(super) fn fault(&mut self, client: Option<ClientKey>, now: Instant) -> Duration {
        if self.last.is_none_or(|last| now.duration_since(last) > FORGET) {
            self.answered();
        }
        self.last = Some(now);
        let known = client.is_some_and(|client| self.clients.contains(&client));
        if !known {
            self.in_a_row = self.in_a_row.saturating_add(1);
            if self.clients.len() < CLIENTS {
                self.clients.extend(client);
            }
        }
        match self.in_a_row {
            0 | 1 => Duration::ZERO,
            // Of several clients each fault counts, the same one's no more than that of another.
            n => FIRST.saturating_mul(1 << (n - 2).min(16)).min(LONGEST),
        }
    }

    /// There was a good answer: the plugin works.
    pub(super) fn answered(&mut self) {
        if self.in_a_row > 0 {
            self.in_a_row = 0;
            self.clients.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as it is asked for")]
    fn client(number: usize) -> Option<ClientKey> {
        Some(ClientKey::numbered(number))
    }

    #[test]
    fn the_first_clients_faults_are_mended_at_once_and_the_wait_doubles_up_to_its_limit() {
        let now = Instant::now();
        for who in [client, |_| None] {
            let mut delay = RebuildDelay::default();
            let waits: Vec<u128> = (0..9).map(|number| delay.fault(who(number), now).as_millis()).collect();
            assert_eq!(waits, [0, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000]);
            for number in 9..100 {
                assert_eq!(delay.fault(who(number), now), LONGEST);
            }
        }
    }

    #[test]
    fn nobody_waits_for_one_client_or_for_a_plugin_that_answers() {
        let now = Instant::now();
        let mut delay = RebuildDelay::default();
        for _ in 0..100 {
            assert_eq!(delay.fault(client(1), now), Duration::ZERO);
        }
        for number in 0..100 {
            delay.answered();
            assert_eq!(delay.fault(client(number), now), Duration::ZERO);
        }
    }

    #[test]
    fn faults_long_ago_are_forgotten() {
        let start = Instant::now();
        let mut delay = RebuildDelay::default();
        for number in 0..5 {
            delay.fault(client(number), start);
        }
        assert_eq!(delay.fault(client(5), start + FORGET), Duration::from_millis(800));
        let later = start + FORGET + FORGET + Duration::from_secs(1);
        assert_eq!(delay.fault(client(6), later), Duration::ZERO);
    }
}
