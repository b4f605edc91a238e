//! Memory that all connections of a thread use in turn, for as long as a call.

use std::cell::RefCell;

/// Plaintext of a record at most (RFC 8446 5.1).
pub(crate) const RECORD: usize = 16_384;
/// What a record is longer at most when it is encrypted: header, nonce, padding, tag (RFC 5246 6.2.3).
const OVERHEAD: usize = 2_048 + 5;
/// Bytes that are read at once, with what was received before. The longest record fits, and so does a handshake message
/// of any chain of certificates that is in use.
pub(crate) const INCOMING: usize = 32_768;

pub(crate) struct Scratch {
    pub incoming: Box<[u8]>,
    pub plain: Vec<u8>,
    pub outgoing: Box<[u8]>,
}

/// Lends this thread's memory.
pub(crate) fn with<T>(use_it: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
            incoming: vec![0; INCOMING].into(),
            plain: Vec::with_capacity(RECORD),
            outgoing: vec![0; RECORD + OVERHEAD].into(),
        });
    }
    SCRATCH.with_borrow_mut(use_it)
}
