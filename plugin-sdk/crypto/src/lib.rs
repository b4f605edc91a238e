//! Keys that verify signatures, each made for one algorithm, and two digests. The broker computes them for its plugins
//! (interface `crypto` of the plugin contract), and native tests of plugins compute them the same way. Knows no token,
//! no plugin and no clock.
//!
//! The arithmetic is that of AWS-LC. What is decided here is which keys are taken: of which kind, how large, in which
//! encoding.

#![warn(missing_docs)]

mod jwk;
mod key;
mod pem;
mod rsa;

use aws_lc_rs::{digest, hmac};

pub use key::{Key, KeyError};

/// Bytes of SHA-256.
pub const SHA256_BYTES: usize = 32;

/// SHA-256.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; SHA256_BYTES] {
    fixed(digest::digest(&digest::SHA256, data).as_ref())
}

/// HMAC with SHA-256.
#[must_use]
pub fn hmac_sha256(secret: &[u8], data: &[u8]) -> [u8; SHA256_BYTES] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    fixed(hmac::sign(&key, data).as_ref())
}

fn fixed(bytes: &[u8]) -> [u8; SHA256_BYTES] {
    let mut out = [0; SHA256_BYTES];
    out.copy_from_slice(bytes);
    out
}
