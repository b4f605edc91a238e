//! Calls without a good key. So many of an address are recorded each; what comes beyond them is refused all the same, and is
//! one record when the minute is over. A good key is never held up by bad ones.

use std::net::SocketAddr;

use address_block::AddressBlock;
use tokio::time::Instant;

use super::call_windows::{CallWindows, Seen};

/// Calls without a good key of an address that are recorded each, in a minute.
const CALLS: u32 = 60;
/// Addresses that are counted apart. More share one count.
const ADDRESSES: usize = 1_024;

/// What such calls came from. None: one of too many.
pub(super) type CallSource = Option<AddressBlock>;

pub(super) struct Strangers(CallWindows<AddressBlock>);

impl Default for Strangers {
    fn default() -> Self {
        Self(CallWindows::new(ADDRESSES))
    }
}

// === impl Strangers ===

impl Strangers {
    /// Counts a call from `remote`.
    pub(super) fn count(&self, remote: Option<SocketAddr>, now: Instant) -> Seen<AddressBlock> {
        let source = remote.map(|address| address.ip().into());
        self.0.count(source, CALLS, now)
    }

    /// The minute is over: takes out how many calls had no line.
    pub(super) fn end(&self, source: CallSource) -> u64 {
        self.0.end(source)
    }

    /// The same of all, before it is over.
    pub(super) fn end_all(&self) -> Vec<(CallSource, u64)> {
        self.0.end_all()
    }
}

#[cfg(test)]
mod tests {
    use super::super::call_windows::WINDOW;
    use super::*;

    fn some(address: &str) -> Option<SocketAddr> {
        address.parse().ok().map(|address| SocketAddr::new(address, 1))
    }

    fn few(strangers: &Strangers, address: &str, now: Instant) -> bool {
        strangers.count(some(address), now) == Seen::Few
    }

    #[test]
    fn an_address_has_its_calls_and_one_summary() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        for _ in 0..CALLS {
            assert!(few(&strangers, "192.0.2.1", now));
        }
        let source = Some("192.0.2.1".parse().unwrap());
        assert_eq!(
            strangers.count(some("::ffff:192.0.2.1"), now),
            Seen::FirstOver(source, now + WINDOW)
        );
        for _ in 0..999 {
            assert_eq!(strangers.count(some("192.0.2.1"), now), Seen::Over);
        }
        assert!(few(&strangers, "192.0.2.2", now), "another address");
        assert_eq!(strangers.end(source), 1_000);
        assert!(few(&strangers, "192.0.2.1", now + WINDOW));
    }

    #[test]
    fn what_comes_before_the_summary_is_in_it() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        for _ in 0..=CALLS {
            strangers.count(some("192.0.2.1"), now);
        }
        // The minute is over, and its summary not yet written.
        assert_eq!(strangers.count(some("192.0.2.1"), now + WINDOW), Seen::Over);
        assert_eq!(strangers.end(Some("192.0.2.1".parse().unwrap())), 2);
    }

    #[test]
    fn a_customer_with_many_addresses_is_one() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let few = (0..1_000)
            .filter(|n| few(&strangers, &format!("2001:db8::{n:x}"), now))
            .count();
        assert_eq!(few, CALLS as usize);
    }

    #[test]
    fn too_many_addresses_share_one_count_until_the_others_are_over() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let address = |n: usize| format!("10.0.{}.{}", n / 256, n % 256);
        for n in 0..ADDRESSES {
            assert!(few(&strangers, &address(n), now));
        }
        let more = (ADDRESSES..ADDRESSES + 1_000)
            .filter(|n| few(&strangers, &address(*n), now))
            .count();
        assert_eq!(more, CALLS as usize);
        assert_eq!(strangers.0.len(), ADDRESSES + 1);
        assert!(few(&strangers, "10.9.9.9", now + WINDOW));
        assert_eq!(strangers.0.len(), 2, "the shared count waits for its summary");
    }
}
