//! Marks an answer after which its connection may be used again.

/// An extension of it.
#[derive(Clone)]
pub(super) struct KeepOpen;
