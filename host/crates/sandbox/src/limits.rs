//! What one instance may take: bytes over all its memories and tables, and how many of each it may have.

use wasmtime::ResourceLimiter;

use super::usage::MemoryCharge;

/// Core instances, memories and tables a component has at most. A Rust plugin has 3, 1 and 2; composed
/// ones and those with an interpreter inside have more.
pub(super) const CORE_INSTANCES: u32 = 32;
pub(super) const MEMORIES: u32 = 4;
pub(super) const TABLES: u32 = 16;
/// Handles to resources that are alive in one instance, at most.
pub(super) const HANDLES: usize = 10_000;
/// What linkers put before the data of a guest for its stack. Most guests touch a small part of it.
const STACK_BYTES: usize = 1024 * 1024;
/// What an instance takes beside its memories, as measured: its store, its handles and tables.
const OVERHEAD_BYTES: usize = 32 * 1024;

/// Counts what an instance has taken. wasmtime's own `StoreLimits` bounds each memory by itself; the
/// operator's `memory_mib` is for all of them together.
///
/// Memories and tables never shrink, so what is used only rises. wasmtime also reports growths as failed that it never
/// asked for (`memory.grow` beyond what the memory's type can have, a table's size that overflows), and does not say
/// which growth it was. So nothing is ever given back: a growth that fails for its own reasons is refused here before
/// it is counted, and one that the kernel refuses stays counted. What is counted is never less than what is there.
#[derive(Debug)]
pub(super) struct InstanceLimits {
    pub(super) max_bytes: usize,
    used_bytes: usize,
    /// Growth was refused in this call. A guest that then traps has run out of memory.
    pub(super) refused: bool,
    charge: MemoryCharge,
}

impl InstanceLimits {
    /// None yet. What is taken is counted with `charge`.
    pub(super) fn new(max_bytes: usize, mut charge: MemoryCharge) -> Self {
        charge.add(OVERHEAD_BYTES);
        Self {
            max_bytes,
            used_bytes: 0,
            refused: false,
            charge,
        }
    }

    /// The instance is made, and has touched so many bytes for the first time, as far as that is known. From now on it is
    /// counted with these instead of with all that it might touch: a guest has a stack of a mebibyte, and uses little of
    /// it. What is beyond such a stack, and what it grows by later, counts in full, so that nobody hides memory there.
    ///
    /// Returns what it is counted with.
    pub(super) fn settle(&mut self, touched: Option<usize>) -> usize {
        let least = self.used_bytes.saturating_sub(STACK_BYTES);
        let bytes = touched.map_or(self.used_bytes, |touched| touched.clamp(least, self.used_bytes));
        self.charge.set(bytes + OVERHEAD_BYTES);
        bytes + OVERHEAD_BYTES
    }

    fn grow(&mut self, growth: Growth) -> bool {
        // It would fail after it was allowed.
        if growth.maximum.is_some_and(|maximum| growth.desired > maximum) {
            return false;
        }
        let units = growth.desired.saturating_sub(growth.current);
        let wanted = self.used_bytes.saturating_add(units.saturating_mul(growth.unit_bytes));
        if wanted > self.max_bytes {
            self.refused = true;
            return false;
        }
        self.charge.add(wanted - self.used_bytes);
        self.used_bytes = wanted;
        true
    }
}

/// What a memory or a table asks for.
struct Growth {
    current: usize,
    desired: usize,
    /// Its own: of its type, or of its place in the pool.
    maximum: Option<usize>,
    unit_bytes: usize,
}

impl ResourceLimiter for InstanceLimits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(Growth {
            current,
            desired,
            maximum,
            unit_bytes: 1,
        }))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(Growth {
            current,
            desired,
            maximum,
            unit_bytes: size_of::<usize>(),
        }))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::usage::MemoryUsage;
    use super::*;

    const PAGE: usize = 65_536;

    fn limits(max_bytes: usize) -> InstanceLimits {
        let usage = MemoryUsage::new(0);
        let tenant = usage.tenant(&"acme".into());
        InstanceLimits::new(max_bytes, MemoryCharge::new(&usage, &tenant))
    }

    #[test]
    fn what_is_touched_counts_and_what_is_beyond_a_stack() {
        for (pages, touched, counted) in [
            (17, Some(2 * PAGE), 2 * PAGE),
            (17, Some(40 * PAGE), 17 * PAGE),
            (17, None, 17 * PAGE),
            (20, Some(PAGE), 4 * PAGE),
        ] {
            let mut limits = limits(64 * PAGE);
            assert!(limits.memory_growing(0, pages * PAGE, None).unwrap());
            limits.settle(touched);
            assert_eq!(limits.charge.bytes() - OVERHEAD_BYTES, counted, "{pages} {touched:?}");
            assert!(limits.memory_growing(pages * PAGE, (pages + 3) * PAGE, None).unwrap());
            assert_eq!(limits.charge.bytes() - OVERHEAD_BYTES, counted + 3 * PAGE);
        }
    }

    #[test]
    fn what_fails_gives_nothing_back() {
        let mut limits = limits(4 * PAGE);
        assert!(limits.memory_growing(0, 2 * PAGE, None).unwrap());
        // As wasmtime reports a growth that it did not ask for.
        let failed = || wasmtime::Error::msg("overflow calculating new table size");
        for _ in 0..100 {
            limits.table_grow_failed(failed()).unwrap();
            limits.memory_grow_failed(failed()).unwrap();
        }
        assert!(limits.memory_growing(2 * PAGE, 4 * PAGE, None).unwrap());
        assert!(!limits.memory_growing(4 * PAGE, 5 * PAGE, None).unwrap() && limits.refused);
    }

    #[test]
    fn what_would_fail_takes_nothing() {
        let mut limits = limits(4 * PAGE);
        for _ in 0..100 {
            assert!(!limits.memory_growing(PAGE, 3 * PAGE, Some(2 * PAGE)).unwrap());
            assert!(!limits.table_growing(0, 11, Some(10)).unwrap());
        }
        assert!(!limits.refused, "it is not the operator's limit that it meets");
        assert!(limits.memory_growing(0, 4 * PAGE, Some(4 * PAGE)).unwrap());
    }

    #[test]
    fn memories_and_tables_count_together() {
        let mut limits = limits(4 * PAGE);
        assert!(limits.memory_growing(0, 3 * PAGE, None).unwrap());
        assert!(limits.table_growing(0, PAGE / 8, None).unwrap());
        assert!(!limits.table_growing(0, 1, None).unwrap());
    }
}
