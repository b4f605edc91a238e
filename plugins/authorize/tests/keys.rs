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
        (json!({"alg": "RS256", "public_pem": "no pem"}), "no PEM"),
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
    assert!(refusal(json!({"max_session_seconds": 0})).contains("max_session_seconds"));
    assert!(refusal(json!({"max_session_seconds": 315_360_001})).contains("max_session_seconds"));
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
    let longer = support::hs512_with(SECRET.as_bytes(), &claims);
    accepted(&mut start(), &longer);
}

#[test]
fn what_a_set_holds_for_others_is_passed_by() {
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    let mut set = set();
    for other in [
        json!({"kty": "RSA", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "oct", "k": "AAAA", "use": "enc"}),
        json!({"kty": "oct", "k": "AAAA", "key_ops": ["encrypt"]}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
    ] {
        set["keys"].as_array_mut().unwrap().insert(0, other);
    }
    let mut host = support::start(json!({"keys": [{"jwks": set.to_string()}]}));
    accepted(&mut host, &sign(&EC, None, &claims));
}

#[test]
fn a_broken_key_in_a_set_is_told_by_its_place() {
    for (key, words) in [
        (json!({"kid": "a"}), "member is missing"),
        (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), "has 17"),
        (json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}), "length"),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA=", "kid": "a"}),
            "base64url",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA"}),
            "private key",
        ),
        (json!({"kty": "oct", "alg": "HS256", "k": 7}), "another kind"),
    ] {
        let jwks = json!({"keys": [set()["keys"][0], key]}).to_string();
        let refusal = refusal(json!({"keys": [{"jwks": jwks}]}));
        assert!(
            refusal.starts_with("keys[0]: `jwks`, key 1: ") && refusal.contains(words),
            "{refusal}"
        );
    }
}

/// Six RSA keys with names, the last of which signs.
fn six_rsa_keys() -> Value {
    let mut others: Vec<Value> = (0..5_u8)
        .map(|n| {
            let mut modulus = [0xab; 256];
            modulus[100] = n;
            json!({"kty": "RSA", "kid": format!("other{n}"), "use": "sig", "n": b64(&modulus), "e": "AQAB"})
        })
        .collect();
    others.push(json!({"kty": "RSA", "kid": "ours", "n": b64(&rsa_modulus()), "e": "AQAB"}));
    json!({ "keys": others })
}

/// The modulus of the RSA key: 256 bytes, before the exponent with its tag and length.
fn rsa_modulus() -> Vec<u8> {
    tail(RSA.public, 261)[..256].to_vec()
}

#[test]
fn without_a_name_at_most_four_keys_are_tried() {
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    let mut host = support::start(json!({"keys": [{"jwks": six_rsa_keys().to_string()}]}));
    assert_eq!(
        host.log_lines(),
        ["there are 6 keys for RS256: a token without `kid` is tried with the first 4 alone"]
    );
    accepted(&mut host, &sign(&RSA, Some("ours"), &claims));
    assert_eq!(
        refused(&mut host, &sign(&RSA, None, &claims)).0,
        4401,
        "it is the sixth"
    );

    let mut set = six_rsa_keys();
    set["keys"].as_array_mut().unwrap().swap(3, 5);
    let mut host = support::start(json!({"keys": [{"jwks": set.to_string()}]}));
    accepted(&mut host, &sign(&RSA, None, &claims));
}

#[test]
fn keys_without_a_name_are_tried_after_those_of_the_name() {
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    let mut keys = vec![json!({"alg": "HS256", "secret": SECRET})];
    for n in 0..5 {
        keys.push(json!({"alg": "HS256", "secret": format!("another secret, of the key number {n}"), "kid": "k"}));
    }
    let named = |kid: &str| support::hs256_with(SECRET.as_bytes(), &json!({"alg": "HS256", "kid": kid}), &claims);
    let mut host = support::start(json!({ "keys": keys }));
    accepted(&mut host, &named("of nobody"));
    assert_eq!(refused(&mut host, &named("k")).0, 4401, "four of that name come first");
}

#[test]
fn an_instance_has_room_for_so_many_keys() {
    let keys = |count: usize| {
        let key = |n| json!({"alg": "HS256", "secret": format!("a secret of the key with the number {n}")});
        json!({"keys": (0..count).map(key).collect::<Vec<_>>()})
    };
    let refused = refusal(keys(65));
    assert!(
        refused.starts_with("keys[64]: ") && refused.contains("at most 64 keys"),
        "{refused}"
    );
    Host::<Authorize>::start(keys(64)).unwrap();
}

#[test]
fn a_short_secret_in_a_set_is_refused_too() {
    let jwks = json!({"keys": [{"kty": "oct", "k": b64(b"short")}]}).to_string();
    assert!(refusal(json!({"keys": [{"jwks": jwks}]})).contains("5 bytes"));
}
