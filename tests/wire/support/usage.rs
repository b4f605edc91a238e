//! The resources of a process, from `/proc`.

use std::fs;

use serde::Serialize;

/// Threads, open files and memory of one process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Usage {
    /// Threads.
    pub threads: u64,
    /// Open file descriptors, sockets included.
    pub files: u64,
    /// Resident memory in KiB.
    pub resident_kib: u64,
}

impl Usage {
    /// Of the process with this number, which must be ours and alive.
    pub(crate) fn of(pid: i32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process of ours");
        Self {
            threads: number(&status, "Threads:"),
            files: u64::try_from(files.count()).expect("a count"),
            resident_kib: number(&status, "VmRSS:"),
        }
    }
}

fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {status}"))
}

#[test]
fn the_harness_sees_what_it_holds_itself() {
    let me = i32::try_from(std::process::id()).expect("a process number");
    let before = Usage::of(me);
    let held: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").expect("a file")).collect();
    assert!(before.threads >= 1 && before.resident_kib > 0, "{before:?}");
    // Other tests of this process open and close files meanwhile, but not fifty at once.
    assert!(Usage::of(me).files > before.files, "{} files more", held.len());
}
