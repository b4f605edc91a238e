//! What a node held before anybody came, and after everybody left.

use super::{Promise, Violation, broken};
use crate::support::usage::Usage;

/// Connections to Redis that a node may have opened meanwhile and keeps.
const MORE_FILES: u64 = 16;
/// The system's own threads for blocking calls come and go.
const MORE_THREADS: u64 = 4;
/// What an allocator does not give back.
const MORE_KIB: u64 = 64 * 1024;

/// Tells what was not given back by the node called `name`.
pub(crate) fn usage(name: &str, before: Usage, after: Usage) -> Vec<Violation> {
    let rows = [
        ("open files", before.files, after.files, MORE_FILES),
        ("threads", before.threads, after.threads, MORE_THREADS),
        ("KiB of memory", before.resident_kib, after.resident_kib, MORE_KIB),
    ];
    let kept = rows
        .into_iter()
        .filter(|(_, before, after, more)| *after > before + more);
    kept.map(|(what, before, after, _)| {
        broken(
            Promise::GivenBack,
            format!("{name}: {what}: {before} before, {after} after"),
        )
    })
    .collect()
}
