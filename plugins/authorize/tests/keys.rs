//! Keys in the settings: what is refused at the start, and sets of keys.

mod support;

use authorize::Authorize;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluicegate_plugin::testing::Host;
use support::{EC, ED, NOW, P384_PUBLIC, RSA, SECRET, accepted, refused, sign};

fn refusal(settings: Value) -> String {
    Host::<Authorize>::start(settings)
        .err()
        .expect("the settings were accepted")
}

#[test]
fn keys_that_cannot_work_are_refused_at_the_start() {
    for (key, words) in [
        (json!({}), "`alg`"),
        (json!({"alg": "HS256"}), "`secret`"),
        (json!({"alg": "HS256", "secret": "short"}), "5 bytes"),
        (
            json!({"alg": "HS256", "secret": SECRET, "public_pem": RSA.public}),
            "nothing else",
        ),
        (json!({"alg": "RS256", "secret": SECRET}), "`public_pem`"),
        (json!({"alg": "RS256", "public_pem": "no pem"}), "no public key"),
        (json!({"alg": "RS256", "public_pem": EC.public}), "RS256"),
        (json!({"alg": "ES256", "public_pem": RSA.public}), "ES256"),
        (json!({"alg": "ES256", "public_pem": P384_PUBLIC}), "ES256"),
        (json!({"alg": "EdDSA", "public_pem": EC.public}), "EdDSA"),
        (json!({"alg": "none", "secret": SECRET}), "unknown variant `none`"),
        (
            json!({"alg": "HS256", "secret": SECRET, "kidd": "a"}),
            "unknown field `kidd`",
        ),
        (json!({"jwks": "{}"}), "no JWK Set"),
        (json!({"jwks": "{\"keys\":[]}"}), "holds no key"),
        (json!({"jwks": "{\"keys\":[]}", "kid": "a"}), "their own `kid`"),
    ] {
        let refusal = refusal(json!({"keys": [key.clone()]}));
        assert!(
            refusal.starts_with("keys[0]") && refusal.contains(words),
            "{key}: {refusal}"
        );
    }
}

#[test]
fn a_private_key_in_the_settings_is_refused() {
    let private = include_str!("keys/ed.pem");
    let refusal = refusal(json!({"keys": [{"alg": "EdDSA", "public_pem": private}]}));
    assert!(refusal.contains("private key"), "{refusal}");
}

#[test]
fn a_weak_secret_works_with_a_warning() {
    let weak = json!({"keys": [{"alg": "HS256", "secret": "0123456789abcdef"}]});
    let host = Host::<Authorize>::start(weak).unwrap();
    assert!(host.log_lines()[0].contains("16 bytes"), "{:?}", host.log_lines());
    let good = Host::<Authorize>::start(json!({"keys": [{"alg": "HS256", "secret": SECRET}]})).unwrap();
    assert!(good.log().is_empty());
}

#[test]
fn times_over_an_hour_are_refused() {
    assert!(refusal(json!({"leeway_seconds": 3601})).contains("leeway_seconds"));
    assert!(refusal(json!({"leeway_seconds": -1})).contains("leeway_seconds"));
    assert!(refusal(json!({"cache_seconds": 3601})).contains("cache_seconds"));
}

fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The raw bytes at the end of a public key's PEM: a point, or an Ed25519 key.
fn tail(pem: &str, length: usize) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::prelude::BASE64_STANDARD.decode(text).unwrap();
    der[der.len() - length..].to_vec()
}

fn set() -> Value {
    let point = tail(EC.public, 64);
    let large = tail(P384_PUBLIC, 96);
    json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "use": "sig",
         "x": b64(&point[..32]), "y": b64(&point[32..])},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(&tail(ED.public, 32))},
        {"kty": "oct", "kid": "hs", "alg": "HS256", "k": b64(SECRET.as_bytes())},
        {"kty": "oct", "kid": "hs-enc", "alg": "HS256", "use": "enc", "k": b64(SECRET.as_bytes())},
        {"kty": "EC", "crv": "P-384", "kid": "large", "x": b64(&large[..48]), "y": b64(&large[48..])},
        {"kty": "oct", "kid": "hs512", "alg": "HS512", "k": b64(SECRET.as_bytes())},
    ]})
}

#[test]
fn a_set_of_keys_is_picked_from_by_name() {
    let start = || support::start(json!({"keys": [{"jwks": set().to_string()}]}));
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    accepted(&mut start(), &sign(&EC, Some("ec"), &claims));
    accepted(&mut start(), &sign(&ED, Some("ed"), &claims));
    assert_eq!(refused(&mut start(), &sign(&EC, Some("ed"), &claims)).0, 4401);
    assert_eq!(refused(&mut start(), &sign(&EC, Some("gone"), &claims)).0, 4401);
    let named = |kid: &str| support::hs256_with(SECRET.as_bytes(), &json!({"alg": "HS256", "kid": kid}), &claims);
    accepted(&mut start(), &named("hs"));
    // A key for encryption, or for another algorithm, is not for this.
    assert_eq!(refused(&mut start(), &named("hs-enc")).0, 4401);
    assert_eq!(refused(&mut start(), &named("hs512")).0, 4401);
}

#[test]
fn a_short_secret_in_a_set_is_refused_too() {
    let jwks = json!({"keys": [{"kty": "oct", "k": b64(b"short")}]}).to_string();
    assert!(refusal(json!({"keys": [{"jwks": jwks}]})).contains("5 bytes"));
}
