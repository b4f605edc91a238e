//! The command line.

use std::process::ExitCode;

/// The system's leaves holes between connections that open at the same time: 10,000 of them took nearly twice the memory (decision
/// 10). musl's takes one lock for all threads besides.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sluicegate::cli::main()
}
