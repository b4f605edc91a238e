//! Signatures, hashes and HMAC, computed by the broker in microseconds. Open to every plugin.
//!
//! This is of contract 0.2, which is a draft until it is released: the interface may still change, and a plugin that uses
//! it must then be built again. So it is behind the feature `crypto`; a plugin without it remains one of contract 0.1.

use std::fmt::{self, Display};

pub use sluicegate_contract::key_algorithm::KeyAlgorithm;

use crate::broker;

/// Why a key cannot be made. The text never repeats a part of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(pub(crate) String);

impl Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

/// Verifies signatures of one algorithm, fixed when the key is made: nothing in a message can choose how it is used.
///
/// Make keys in [`Plugin::new`](crate::Plugin::new). An instance holds at most 64, each of at most 16 KiB; RSA keys have
/// 2,048 to 8,192 bits.
pub struct Key {
    algorithm: KeyAlgorithm,
    raw: broker::Key,
}

impl Key {
    /// From the text of a JSON Web Key (RFC 7517). Its `kty` and `crv` must be those of the algorithm, its `alg` the
    /// algorithm's name or absent, its `use` `sig` or absent, its `key_ops` absent or with `verify`.
    ///
    /// # Errors
    /// Why it is no key for `algorithm`.
    pub fn from_jwk(jwk: &str, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        Self::new(algorithm, broker::key_from_jwk(jwk, algorithm))
    }

    /// From a public key as PEM: `PUBLIC KEY`, or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// Why it is no key for `algorithm`.
    pub fn from_pem(pem: &str, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        Self::new(algorithm, broker::key_from_pem(pem, algorithm))
    }

    /// From bytes: a shared secret (HS), a point of SEC 1 (ES), the 32 bytes of a key (`EdDSA`), or a public key in DER.
    ///
    /// # Errors
    /// Why it is no key for `algorithm`.
    pub fn from_bytes(bytes: &[u8], algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        Self::new(algorithm, broker::key_from_bytes(bytes, algorithm))
    }

    fn new(algorithm: KeyAlgorithm, made: Result<broker::Key, String>) -> Result<Self, KeyError> {
        let raw = made.map_err(KeyError)?;
        Ok(Self { algorithm, raw })
    }

    /// What the key is for.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's of `message`; for ES the two numbers one behind the other. A message over
    /// 1 MiB is a fault.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.raw.verify(message, signature)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The 32 bytes of SHA-256 over at most 1 MiB; more is a fault.
#[must_use]
pub fn sha256(data: &[u8]) -> Vec<u8> {
    broker::sha256(data)
}

/// The 32 bytes of HMAC with SHA-256 over at most 1 MiB, with a secret of at most 16 KiB; more is a fault. To compare it
/// with what a client sent, let a [`Key`] of HS256 verify: that takes the same time for every wrong signature.
#[must_use]
pub fn hmac_sha256(secret: &[u8], data: &[u8]) -> Vec<u8> {
    broker::hmac_sha256(secret, data)
}
