//! How many bytes a second the log takes for each tenant: so many that its plugins write, and as many that the broker writes
//! about it, so that neither drowns the other, nor the lines about other tenants.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The time for which bytes are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// Of all names together that are no tenant's: clients may have chosen them.
const UNKNOWN_BYTES: u64 = 65_536;

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// It may be written. So many were left out since the last one.
    Within {
        left_out: u64,
    },
    Over,
}

/// The budgets of all tenants.
#[derive(Default)]
pub(super) struct LogBudgets(Mutex<Budgets>);

#[derive(Default)]
struct Budgets {
    tenants: HashMap<Box<str>, TenantBudget>,
    unknown: [BudgetWindow; 2],
}

struct TenantBudget {
    bytes_per_second: u64,
    /// Of its plugins; of the broker.
    windows: [BudgetWindow; 2],
}

#[derive(Clone, Default)]
struct BudgetWindow {
    since: Option<Instant>,
    bytes: u64,
    left_out: u64,
}

// === impl LogBudgets ===

impl LogBudgets {
    /// These tenants' bytes a second from now on; what was used of this second stays used.
    pub(super) fn set<'a>(&self, tenants: impl Iterator<Item = (&'a str, u64)>) {
        for (name, bytes_per_second) in tenants {
            let mut budgets = self.0.lock();
            if let Some(budget) = budgets.tenants.get_mut(name) {
                budget.bytes_per_second = bytes_per_second;
            } else {
                let budget = TenantBudget {
                    bytes_per_second,
                    windows: Default::default(),
                };
                budgets.tenants.insert(name.into(), budget);
            }
        }
    }

    /// There is no such tenant any more.
    pub(super) fn forget(&self, tenant: &str) {
        self.0.lock().tenants.remove(tenant);
    }

    /// Counts a line about `tenant`.
    pub(super) fn charge(&self, tenant: &str, by_plugin: bool, bytes: usize, now: Instant) -> Charge {
        let mut budgets = self.0.lock();
        let Budgets { tenants, unknown } = &mut *budgets;
        let (windows, limit) = match tenants.get_mut(tenant) {
            Some(budget) => (&mut budget.windows, budget.bytes_per_second),
            None => (unknown, UNKNOWN_BYTES),
        };
        windows[usize::from(!by_plugin)].charge(bytes as u64, limit, now)
    }
}

impl BudgetWindow {
    fn charge(&mut self, bytes: u64, limit: u64, now: Instant) -> Charge {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= WINDOW;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.bytes = 0;
        }
        // The first line of a second is written, however long it is: else a small budget would hide all.
        if self.bytes > 0 && self.bytes + bytes > limit {
            self.left_out += 1;
            return Charge::Over;
        }
        self.bytes += bytes;
        Charge::Within {
            left_out: std::mem::take(&mut self.left_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Charge = Charge::Within { left_out: 0 };

    fn budgets() -> LogBudgets {
        let budgets = LogBudgets::default();
        budgets.set([("a", 1000), ("b", 1000)].into_iter());
        budgets
    }

    #[test]
    fn what_is_over_is_left_out_and_told() {
        let (budgets, start) = (budgets(), Instant::now());
        for _ in 0..10 {
            assert_eq!(budgets.charge("a", true, 100, start), WITHIN);
        }
        for _ in 0..7 {
            assert_eq!(budgets.charge("a", true, 100, start), Charge::Over);
        }
        let told = Charge::Within { left_out: 7 };
        assert_eq!(budgets.charge("a", true, 100, start + WINDOW), told);
        assert_eq!(budgets.charge("a", true, 100, start + WINDOW), WITHIN);
    }

    #[test]
    fn nobody_uses_the_bytes_of_others() {
        let (budgets, start) = (budgets(), Instant::now());
        assert_eq!(budgets.charge("a", true, 1000, start), WITHIN);
        assert_eq!(budgets.charge("a", true, 1, start), Charge::Over);
        // Neither what the broker says of the tenant, nor another tenant.
        assert_eq!(budgets.charge("a", false, 1000, start), WITHIN);
        assert_eq!(budgets.charge("b", true, 1000, start), WITHIN);
    }

    #[test]
    fn names_of_no_tenant_share_one_budget_and_are_not_kept() {
        let (budgets, start) = (budgets(), Instant::now());
        let written = (0..100_000)
            .filter(|n| budgets.charge(&format!("t{n}"), false, 100, start) != Charge::Over)
            .count();
        assert_eq!(written as u64, UNKNOWN_BYTES / 100);
        assert_eq!(budgets.0.lock().tenants.len(), 2);
    }

    #[test]
    fn a_reload_gives_nobody_a_new_second() {
        let (budgets, start) = (budgets(), Instant::now());
        assert_eq!(budgets.charge("a", true, 900, start), WITHIN);
        budgets.set([("a", 950)].into_iter());
        assert_eq!(budgets.charge("a", true, 51, start), Charge::Over);
        assert_eq!(budgets.charge("a", true, 50, start), Charge::Within { left_out: 1 });
    }

    #[test]
    fn a_line_longer_than_the_budget_is_written_alone() {
        let (budgets, start) = (budgets(), Instant::now());
        assert_eq!(budgets.charge("a", true, 5000, start), WITHIN);
        assert_eq!(budgets.charge("a", true, 1, start), Charge::Over);
    }
}
