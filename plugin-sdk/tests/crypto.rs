//! The interface `crypto` in the simulated broker: the broker's own code and limits.
#![cfg(not(target_family = "wasm"))]

use serde_json::json;
use sluicegate_plugin::crypto::{self, Key, KeyAlgorithm};
use sluicegate_plugin::limits::{CRYPTO_MESSAGE_BYTES, KEYS};
use sluicegate_plugin::testing::{Host, Session};
use sluicegate_plugin::{Denial, NoSettings, Plugin, PublishHook, PublishVerdict, SetupError};

/// Lets pass what begins with its HMAC in base 16.
struct Signed(Key);

const SECRET: &[u8] = b"a shared secret of the two of us";

impl Plugin for Signed {
    type Settings = NoSettings;

    fn new(_: NoSettings) -> Result<Self, SetupError> {
        Ok(Self(Key::from_bytes(SECRET, KeyAlgorithm::Hs256)?))
    }
}

impl PublishHook for Signed {
    fn on_publish(&mut self, _: &sluicegate_plugin::Session<'_>, _: &str, data: &[u8]) -> PublishVerdict {
        match data.split_at_checked(32) {
            Some((signature, message)) if self.0.verify(message, signature) => PublishVerdict::Allow,
            _ => Denial::new(4401, "not_signed").into(),
        }
    }
}

#[test]
fn a_plugin_verifies_natively() {
    let mut host = Host::<Signed>::start(json!({})).unwrap();
    let message = br#"{"text":"hi"}"#;
    let signed = [&*crypto::hmac_sha256(SECRET, message), message].concat();
    let ann = Session::of("ann");
    assert_eq!(host.publish(&ann, "c", &signed), PublishVerdict::Allow);
    let other = [&*crypto::sha256(message), message].concat();
    assert!(matches!(host.publish(&ann, "c", &other), PublishVerdict::Deny(_)));
    assert!(matches!(host.publish(&ann, "c", b"short"), PublishVerdict::Deny(_)));
}

/// Makes keys as long as it may.
struct Collector(Vec<Key>);

impl Plugin for Collector {
    type Settings = NoSettings;

    fn new(_: NoSettings) -> Result<Self, SetupError> {
        Ok(Self(Vec::new()))
    }
}

impl PublishHook for Collector {
    fn on_publish(&mut self, _: &sluicegate_plugin::Session<'_>, _: &str, _: &[u8]) -> PublishVerdict {
        while let Ok(key) = Key::from_bytes(SECRET, KeyAlgorithm::Hs512) {
            self.0.push(key);
        }
        assert_eq!(self.0.len(), KEYS);
        self.0.clear();
        PublishVerdict::Abstain
    }
}

#[test]
fn an_instance_holds_so_many_keys_and_gets_back_what_it_drops() {
    let mut host = Host::<Collector>::start(json!({})).unwrap();
    for _ in 0..3 {
        host.publish(&Session::of("ann"), "c", "1");
    }
}

#[test]
#[should_panic(expected = "are a fault")]
fn a_message_over_the_limit_is_a_fault() {
    let _ = crypto::sha256(&vec![0; CRYPTO_MESSAGE_BYTES + 1]);
}

#[test]
fn an_error_says_why() {
    let error = Key::from_jwk(r#"{"kty":"oct","k":"AAAA","use":"enc"}"#, KeyAlgorithm::Hs256).unwrap_err();
    assert_eq!(error.to_string(), "it is no key for HS256: its use is not sig");
    let key = Key::from_bytes(SECRET, KeyAlgorithm::Hs384).unwrap();
    assert_eq!(key.algorithm(), KeyAlgorithm::Hs384);
    assert_eq!(format!("{key:?}"), "Key { algorithm: Hs384, .. }");
}
