//! Marks an answer after which its connection may be used again.

/// An extension of it.
#[derive(Clone)]
pub(super) struct KeepOpen {
    /// Whether it is for somebody with a session, or with a token.
    pub is_known: bool,
}
