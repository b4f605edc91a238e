//! How often the users of one tenant may connect.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::arrival_rate::{ArrivalRate, Arrivals};
use super::debt_table::{Debt, DebtTable, Matters};

/// Users that are remembered at most.
const USERS: usize = 16_384;

/// Counts the connects of users.
pub struct UserDoor(DebtTable<Arc<str>, UserConnects>);

#[derive(Default)]
struct UserConnects(Arrivals);

impl Debt for UserConnects {
    fn matters(&self) -> Matters {
        self.0.due().map_or(Matters::No, Matters::Until)
    }
}

// === impl UserDoor ===

impl UserDoor {
    /// Counts a connect, or tells in how long one may come.
    pub fn connect(&mut self, user: &Arc<str>, rate: ArrivalRate, now: Instant) -> Result<(), Duration> {
        self.0.change(user, now, |connects| connects.0.count(rate, now))
    }
}

impl Default for UserDoor {
    fn default() -> Self {
        Self(DebtTable::new(USERS))
    }
}
