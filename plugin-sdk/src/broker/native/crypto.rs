//! The interface `crypto` outside of wasm: computed by the same code as in the broker. What is a fault there is a panic.

use std::rc::Rc;

use sluicegate_contract::key_algorithm::KeyAlgorithm;
use sluicegate_contract::limits::{CRYPTO_MESSAGE_BYTES, KEY_BYTES, KEYS};

use crate::testing::state;

pub(crate) struct Key {
    key: sluicegate_crypto::Key,
    /// Counts the keys of the plugin that runs, if one does.
    _alive: Option<Rc<()>>,
}

fn counted(made: Result<sluicegate_crypto::Key, sluicegate_crypto::KeyError>) -> Result<Key, String> {
    let key = made.map_err(|error| error.to_string())?;
    let alive = state::try_with(|s| Rc::clone(&s.keys));
    // One of them is the state's own.
    if alive.as_ref().is_some_and(|alive| Rc::strong_count(alive) > KEYS + 1) {
        return Err(format!("an instance holds at most {KEYS} keys; drop one first"));
    }
    Ok(Key { key, _alive: alive })
}

pub(crate) fn key_from_jwk(jwk: &str, algorithm: KeyAlgorithm) -> Result<Key, String> {
    counted(sluicegate_crypto::Key::from_jwk(jwk, algorithm))
}

pub(crate) fn key_from_pem(pem: &str, algorithm: KeyAlgorithm) -> Result<Key, String> {
    counted(sluicegate_crypto::Key::from_pem(pem, algorithm))
}

pub(crate) fn key_from_bytes(bytes: &[u8], algorithm: KeyAlgorithm) -> Result<Key, String> {
    counted(sluicegate_crypto::Key::from_bytes(bytes, algorithm))
}

impl Key {
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        check_length(message);
        self.key.verify(message, signature)
    }
}

pub(crate) fn sha256(data: &[u8]) -> Vec<u8> {
    check_length(data);
    sluicegate_crypto::sha256(data).into()
}

pub(crate) fn hmac_sha256(secret: &[u8], data: &[u8]) -> Vec<u8> {
    assert!(secret.len() <= KEY_BYTES, "a secret over {KEY_BYTES} bytes is a fault");
    check_length(data);
    sluicegate_crypto::hmac_sha256(secret, data).into()
}

fn check_length(message: &[u8]) {
    assert!(
        message.len() <= CRYPTO_MESSAGE_BYTES,
        "more than {CRYPTO_MESSAGE_BYTES} bytes for crypto are a fault"
    );
}
