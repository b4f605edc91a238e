//! What the machine lets this process map.

use std::fs;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

/// Addresses of a process: 47 bits on the processors that we build for, of which the kernel gives an engine less if it must.
const ADDRESSES: u64 = 1 << 47;
/// Of what there is, this part is left to everything else.
const LEFT: u64 = 8;
/// The kernel's limit of mappings of one process (`vm.max_map_count`).
const MAX_MAP_COUNT: &str = "/proc/sys/vm/max_map_count";

/// What a process may still map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MappingLimits {
    /// Bytes of addresses.
    pub(super) addresses: u64,
    /// Mappings; none: there is no limit that we know.
    pub(super) mappings: Option<usize>,
}

impl MappingLimits {
    /// Asks the kernel.
    pub(super) fn look() -> Self {
        let limit = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
        let used = used_addresses().unwrap_or(0);
        let mappings = fs::read_to_string(MAX_MAP_COUNT)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .map(|most: u64| free(most, mappings_now().unwrap_or(0)));
        Self {
            addresses: free(limit.min(ADDRESSES), used),
            mappings: mappings.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        }
    }
}

/// What may be taken of `most`.
fn free(most: u64, used: u64) -> u64 {
    most.saturating_sub(used).saturating_sub(most / LEFT)
}

fn used_addresses() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').next()?.parse().ok()?;
    Some(pages * page_size() as u64)
}

/// The mappings that this process has.
pub(super) fn mappings_now() -> Option<u64> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    Some(maps.lines().count() as u64)
}

/// Bytes that this thread has touched for the first time so far, by its page faults.
pub(super) fn touched() -> Option<usize> {
    let stat = fs::read_to_string("/proc/thread-self/stat").ok()?;
    // The name in parentheses may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let faults: usize = fields.split(' ').nth(7)?.parse().ok()?;
    Some(faults * page_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_left_to_everything_else() {
        assert_eq!(free(80, 30), 40);
        assert_eq!(free(80, 79), 0);
    }

    #[test]
    fn what_a_thread_touches_is_counted() {
        let before = touched().expect("a Linux");
        let bytes = std::hint::black_box(vec![1_u8; 4 << 20]);
        let after = touched().expect("a Linux");
        // With huge pages there are few faults.
        assert!(after > before, "{after} after {before}, for {}", bytes.len());
    }
}
