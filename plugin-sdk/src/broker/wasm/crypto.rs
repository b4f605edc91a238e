//! The broker's interface `crypto`.

use sluicegate_contract::key_algorithm::KeyAlgorithm;

use crate::bindings::draft::crypto;

pub(crate) use crypto::Key;

pub(crate) fn key_from_jwk(jwk: &str, algorithm: KeyAlgorithm) -> Result<Key, String> {
    Key::from_jwk(jwk, algorithm.name())
}

pub(crate) fn key_from_pem(pem: &str, algorithm: KeyAlgorithm) -> Result<Key, String> {
    Key::from_pem(pem, algorithm.name())
}

pub(crate) fn key_from_bytes(bytes: &[u8], algorithm: KeyAlgorithm) -> Result<Key, String> {
    Key::from_bytes(bytes, algorithm.name())
}

pub(crate) fn sha256(data: &[u8]) -> Vec<u8> {
    crypto::sha256(data)
}

pub(crate) fn hmac_sha256(secret: &[u8], data: &[u8]) -> Vec<u8> {
    crypto::hmac_sha256(secret, data)
}
