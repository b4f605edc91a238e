//! The command line.

use std::process::ExitCode;

/// The system's leaves holes between connections that open at the same time: 10,000 of them took nearly twice the memory (decision
/// 10). musl's takes one lock for all threads besides.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A huge page of which a plugin instance or a connection uses a corner is memory all the same. Deliveries cost the same
    // without (decision 10). Where the system does not know this, pages stay as they are.
    let _ = nix::sys::prctl::set_thp_disable(true);
    sluicegate::cli::main()
}
