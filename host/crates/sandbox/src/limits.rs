//! What one instance may take: bytes over all its memories and tables, and how many of each it may have.

use wasmtime::ResourceLimiter;

use super::engine::{CORE_INSTANCES, MEMORIES, TABLES};

/// Counts what an instance has taken. wasmtime's own `StoreLimits` bounds each memory by itself; the
/// operator's `memory_mib` is for all of them together.
#[derive(Debug)]
pub(super) struct InstanceLimits {
    pub(super) max_bytes: usize,
    used_bytes: usize,
    /// Of the growth that was allowed last, to take it back when it fails after all.
    last_growth: usize,
    /// Growth was refused in this call. A guest that then traps has run out of memory.
    pub(super) refused: bool,
}

impl InstanceLimits {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            used_bytes: 0,
            last_growth: 0,
            refused: false,
        }
    }

    fn grow(&mut self, by: usize) -> bool {
        let wanted = self.used_bytes.saturating_add(by);
        if wanted > self.max_bytes {
            self.refused = true;
            return false;
        }
        self.used_bytes = wanted;
        self.last_growth = by;
        true
    }

    /// What was allowed did not come about: it was over the memory's own maximum.
    fn take_back(&mut self) {
        self.used_bytes -= std::mem::take(&mut self.last_growth);
    }
}

impl ResourceLimiter for InstanceLimits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(size_of::<usize>())))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
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
