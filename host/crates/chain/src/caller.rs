//! Who is asking: what plugins may know of a connection. Knows no socket.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use parking_lot::Mutex;
use sluicegate_contract::limits::{ATTRIBUTE_KEY_BYTES, ATTRIBUTE_VALUE_BYTES, ATTRIBUTES};

use super::verdict::Identity;
use super::verdict_cache::VerdictCache;

/// One connection as its plugins see it. Shared with the sandbox for the time of a call, so it is
/// `Sync`; its locks are never contended, because a shard asks one question at a time.
#[derive(Debug)]
pub struct Caller {
    /// Unique in the cluster.
    pub session: Arc<str>,
    /// The tenant's name in the config.
    pub tenant: Arc<str>,
    pub remote: IpAddr,
    /// `websocket`, `sse` or `poll`.
    pub transport: &'static str,
    /// When the connection was opened.
    pub opened: Instant,
    identity: Mutex<Identity>,
    attributes: Mutex<Vec<(Box<str>, Box<str>)>>,
    pub(super) verdicts: Mutex<VerdictCache>,
}

/// An attribute that does not fit; the text says which limit.
#[derive(Debug, PartialEq, Eq)]
pub struct AttributeLimit(pub String);

impl AttributeLimit {
    /// Of a key that has `found` bytes.
    pub fn key(found: usize) -> Self {
        Self(format!(
            "an attribute's key has 1 to {ATTRIBUTE_KEY_BYTES} bytes, not {found}"
        ))
    }

    /// Of a value that has `found` bytes.
    pub fn value(found: usize) -> Self {
        Self(format!(
            "an attribute's value has at most {ATTRIBUTE_VALUE_BYTES} bytes, not {found}"
        ))
    }
}

impl Caller {
    /// A connection that has not been asked who it is.
    pub fn new(session: Arc<str>, tenant: Arc<str>, remote: IpAddr, transport: &'static str) -> Self {
        Self {
            session,
            tenant,
            remote,
            transport,
            opened: Instant::now(),
            identity: Mutex::new(Identity {
                claims: "{}".into(),
                ..Identity::default()
            }),
            attributes: Mutex::default(),
            verdicts: Mutex::default(),
        }
    }

    /// The bytes of its verdicts that may be reused are counted in `bytes`, together with others'.
    #[must_use]
    pub fn counting_verdicts(self, bytes: Option<Arc<AtomicUsize>>) -> Self {
        self.verdicts.lock().count_in(bytes);
        self
    }

    /// Who it is: a copy, two reference counts.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// The user's id, once there is one.
    pub fn user(&self) -> Option<Arc<str>> {
        self.identity.lock().user.clone()
    }

    /// Sets who it is from now on (connect, refresh). Verdicts about the earlier identity are forgotten.
    pub fn identify(&self, identity: Identity) {
        self.verdicts.lock().clear();
        self.show(identity);
    }

    /// Sets the identity that plugins see, while the chain is asked; verdicts stay.
    pub(super) fn show(&self, mut identity: Identity) {
        if identity.claims.is_empty() {
            identity.claims = "{}".into();
        }
        *self.identity.lock() = identity;
    }

    /// The value under `key`, if a plugin set one.
    pub fn attribute(&self, key: &str) -> Option<String> {
        let attributes = self.attributes.lock();
        let (_, value) = attributes.iter().find(|(k, _)| **k == *key)?;
        Some(value.to_string())
    }

    /// Sets a value for later calls, within the contract's limits.
    pub fn set_attribute(&self, key: &str, value: &str) -> Result<(), AttributeLimit> {
        if key.is_empty() || key.len() > ATTRIBUTE_KEY_BYTES {
            return Err(AttributeLimit::key(key.len()));
        }
        if value.len() > ATTRIBUTE_VALUE_BYTES {
            return Err(AttributeLimit::value(value.len()));
        }
        let mut attributes = self.attributes.lock();
        if let Some((_, old)) = attributes.iter_mut().find(|(k, _)| **k == *key) {
            *old = value.into();
            return Ok(());
        }
        if attributes.len() == ATTRIBUTES {
            return Err(AttributeLimit(format!("a session has at most {ATTRIBUTES} attributes")));
        }
        attributes.push((key.into(), value.into()));
        Ok(())
    }
}
