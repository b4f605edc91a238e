//! Which node has a session. Requests of sessions without a WebSocket may reach any node; they bring a key that the session's
//! client alone knows.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The SHA-256 of what a client alone knows: the key of its session, or what it opened the session with.
pub type SecretHash = [u8; 32];

/// Bytes of a session's id at most, for one that a client says. Those that nodes give are shorter.
pub(crate) const SESSION_BYTES: usize = 128;

/// Who has a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOwner {
    /// This instance.
    Here,
    /// Another instance.
    Instance(Box<str>),
}

/// Who has a session of which a client says a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    By(SessionOwner),
    /// There is one of this name, and its key is another.
    ByAnotherKey,
    ByNobody,
}

/// What became of a claim to open a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenClaim {
    /// Nobody has opened one with this before: it is to be opened here.
    Mine,
    /// It was opened before, and is this session.
    Theirs { owner: SessionOwner, session: Arc<str> },
}

/// Who has a session is not known, since the cluster cannot be asked. It should be tried again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("it is not known which node has the session: {0}")]
pub struct OwnerUnknown(pub String);

/// The keys of this node's sessions that have one.
#[derive(Default)]
pub(crate) struct SessionKeys(Mutex<HashMap<Arc<str>, SessionKey, RandomState>>);

struct SessionKey {
    tenant: Arc<str>,
    hash: SecretHash,
}

// === impl SessionKeys ===

impl SessionKeys {
    pub(crate) fn insert(&self, tenant: &Arc<str>, session: &Arc<str>, hash: SecretHash) {
        let key = SessionKey {
            tenant: tenant.clone(),
            hash,
        };
        self.0.lock().insert(session.clone(), key);
    }

    pub(crate) fn remove(&self, session: &str) {
        self.0.lock().remove(session);
    }

    /// Whether a session of this node has this key. None: it is none of this node and tenant.
    pub(crate) fn is_of(&self, tenant: &str, session: &str, hash: &SecretHash) -> Option<bool> {
        let keys = self.0.lock();
        let key = keys.get(session).filter(|key| *key.tenant == *tenant)?;
        Some(is_same(&key.hash, hash))
    }
}

/// In a time that does not tell where they differ.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}
