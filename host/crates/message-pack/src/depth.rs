//! How deep a value may be.

/// Maps and lists inside of each other at most.
pub const DEPTH: usize = 128;
