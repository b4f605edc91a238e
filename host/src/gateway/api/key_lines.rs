//! Calls with a good key. So many of a key and an endpoint have a line each in a minute; what comes beyond them is carried out
//! all the same, and is one line when the minute is over. Who floods one endpoint hides no call of another.

use std::sync::Arc;

use tokio::time::Instant;

use super::call_windows::{CallWindows, Seen};

/// Reading calls of a key and an endpoint that have a line each, in a minute.
const READS: u32 = 600;
/// Changing calls, of which each has two.
const CHANGES: u32 = 6_000;
/// Keys and endpoints that are counted apart: all endpoints of more keys than a config has. What old keys leave behind is taken
/// out.
const COUNTS: usize = 32_768;

/// A key, and the name of an endpoint.
pub(super) type KeyCall = (Arc<str>, &'static str);

pub(super) struct KeyLines(CallWindows<KeyCall>);

impl Default for KeyLines {
    fn default() -> Self {
        Self(CallWindows::new(COUNTS))
    }
}

// === impl KeyLines ===

impl KeyLines {
    pub(super) fn count(&self, call: KeyCall, changes: bool, now: Instant) -> Seen<KeyCall> {
        self.0.count(Some(call), if changes { CHANGES } else { READS }, now)
    }

    /// The minute is over: takes out how many calls had no line.
    pub(super) fn end(&self, call: Option<KeyCall>) -> u64 {
        self.0.end(call)
    }

    /// The same of all, before it is over.
    pub(super) fn end_all(&self) -> Vec<(Option<KeyCall>, u64)> {
        self.0.end_all()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_key_and_endpoint_has_its_lines_and_changes_have_more() {
        let (lines, now) = (KeyLines::default(), Instant::now());
        let few = |key: &str, endpoint, changes| {
            let calls = (0..10_000).map(|_| lines.count((key.into(), endpoint), changes, now));
            calls.filter(|seen| *seen == Seen::Few).count()
        };
        assert_eq!(few("ops", "listBans", false), 600);
        assert_eq!(few("ops", "listChannels", false), 600);
        assert_eq!(few("other", "listBans", false), 600);
        assert_eq!(few("ops", "banUser", true), 6_000);
        assert_eq!(lines.end(Some(("ops".into(), "listBans"))), 9_400);
        let later = now + Duration::from_mins(1);
        assert_eq!(lines.count(("ops".into(), "listBans"), false, later), Seen::Few);
    }
}
