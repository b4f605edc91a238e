//! Keys of every kind, from every form, against signatures that another library made; and keys that are not taken.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluicegate_contract::key_algorithm::KeyAlgorithm;
use sluicegate_contract::limits::KEY_BYTES;
use sluicegate_crypto::{Key, KeyError};

/// One key and one signature for each algorithm, made by OpenSSL.
struct Vectors {
    message: String,
    cases: Vec<Value>,
}

fn vectors() -> Vectors {
    let all: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    Vectors {
        message: all["message"].as_str().unwrap().to_owned(),
        cases: all["cases"].as_array().unwrap().clone(),
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

fn algorithm(case: &Value) -> KeyAlgorithm {
    KeyAlgorithm::named(case["alg"].as_str().unwrap()).unwrap()
}

fn case(name: &str) -> Value {
    let cases = vectors().cases;
    cases.into_iter().find(|case| case["alg"] == name).unwrap()
}

/// The key of a case, from every form that it has.
fn keys(case: &Value) -> Vec<(&'static str, Key)> {
    let algorithm = algorithm(case);
    let mut keys = vec![
        ("jwk", Key::from_jwk(&case["jwk"].to_string(), algorithm).unwrap()),
        ("bytes", Key::from_bytes(&decoded(&case["bytes"]), algorithm).unwrap()),
    ];
    for form in ["pem", "pem_pkcs1"] {
        if let Some(pem) = case[form].as_str() {
            keys.push((form, Key::from_pem(pem, algorithm).unwrap()));
        }
    }
    keys
}

#[test]
fn every_algorithm_verifies_what_another_library_signed_and_nothing_else() {
    let Vectors { message, cases } = vectors();
    assert_eq!(cases.len(), KeyAlgorithm::ALL.len());
    for case in &cases {
        let signature = decoded(&case["signature"]);
        for (form, key) in keys(case) {
            let name = format!("{} from {form}", case["alg"]);
            assert_eq!(key.algorithm(), algorithm(case));
            assert!(key.verify(message.as_bytes(), &signature), "{name}");
            assert!(
                !key.verify(&message.as_bytes()[1..], &signature),
                "{name}: another message"
            );
            assert!(!key.verify(b"", &signature), "{name}: no message");
            let last = signature.len() - 1;
            let changed = |at: usize| {
                let mut changed = signature.clone();
                changed[at] ^= 1;
                changed
            };
            let longer = [&*signature, &[0]].concat();
            for forged in [
                changed(0),
                changed(last),
                longer,
                signature[..last].to_vec(),
                vec![],
                vec![0; last + 1],
            ] {
                assert!(!key.verify(message.as_bytes(), &forged), "{name}: a forged signature");
            }
        }
    }
}

#[test]
fn a_signature_is_none_under_another_algorithm_of_the_same_key() {
    let Vectors { message, cases } = vectors();
    for case in &cases {
        let (of_case, signature) = (algorithm(case), decoded(&case["signature"]));
        for other in KeyAlgorithm::ALL.into_iter().filter(|other| *other != of_case) {
            // Of one family the key is taken; of another kind it is not.
            if let Ok(key) = Key::from_jwk(&case["jwk"].to_string(), other) {
                let family = |algorithm: KeyAlgorithm| algorithm.name()[..1].replace('P', "R");
                assert_eq!(family(key.algorithm()), family(of_case), "{other:?}");
                assert!(!key.verify(message.as_bytes(), &signature), "{other:?}");
            }
        }
    }
}

#[test]
fn public_keys_are_no_shared_secrets() {
    for case in vectors().cases.iter().filter(|case| case["pem"].is_string()) {
        for hs in [KeyAlgorithm::Hs256, KeyAlgorithm::Hs384, KeyAlgorithm::Hs512] {
            assert!(Key::from_jwk(&case["jwk"].to_string(), hs).is_err());
            assert!(Key::from_pem(case["pem"].as_str().unwrap(), hs).is_err());
        }
    }
}

/// The error of a JWK of the case `name`, changed.
fn jwk_error(name: &str, change: impl FnOnce(&mut Value)) -> KeyError {
    let case = case(name);
    let mut jwk = case["jwk"].clone();
    change(&mut jwk);
    let error = Key::from_jwk(&jwk.to_string(), algorithm(&case)).expect_err("the JWK is refused");
    for member in ["n", "x", "k", "d"] {
        let secret = jwk[member].as_str().filter(|text| text.len() > 8);
        assert!(
            secret.is_none_or(|secret| !error.to_string().contains(secret)),
            "{error}"
        );
    }
    error
}

#[test]
fn a_jwk_says_what_it_is_for() {
    for (member, value, words) in [
        ("alg", json!("RS512"), "alg"),
        ("alg", json!("none"), "alg"),
        ("use", json!("enc"), "use"),
        ("use", json!(""), "use"),
        ("key_ops", json!(["sign"]), "key_ops"),
        ("key_ops", json!([]), "key_ops"),
        ("kty", json!("EC"), "kty"),
        ("kty", json!("oct"), "kty"),
        ("d", json!("AAAA"), "private"),
        ("n", Value::Null, "n is missing"),
        ("n", json!(7), "no JSON Web Key"),
        ("e", json!("AQAB="), "base64url"),
        ("n", json!("a+b/"), "base64url"),
        ("n", json!(" AAAA"), "base64url"),
    ] {
        let error = jwk_error("RS256", |jwk| jwk[member] = value.clone());
        assert!(error.to_string().contains(words), "{member} {value}: {error}");
    }
    let case = case("RS256");
    let mut jwk = case["jwk"].clone();
    for (member, value) in [
        ("alg", json!("RS256")),
        ("use", json!("sig")),
        ("key_ops", json!(["verify"])),
        ("kid", json!("k1")),
        ("x5t", json!({"unknown": 1})),
    ] {
        jwk[member] = value;
        Key::from_jwk(&jwk.to_string(), KeyAlgorithm::Rs256).unwrap();
    }
    let twice = jwk.to_string().replacen('{', r#"{"kty":"RSA","#, 1);
    assert!(
        Key::from_jwk(&twice, KeyAlgorithm::Rs256).is_err(),
        "a member that is there twice"
    );
}

#[test]
fn numbers_of_rsa_keys_are_bounded() {
    let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let of_bits = |bits: usize| {
        let mut modulus = vec![0xff; bits / 8];
        modulus[0] = 0x80;
        b64(&modulus)
    };
    for (member, value, error) in [
        ("n", of_bits(1024), KeyError::RsaBits(1024)),
        ("n", of_bits(2040), KeyError::RsaBits(2040)),
        ("n", of_bits(8200), KeyError::RsaBits(8200)),
        ("n", of_bits(65_536), KeyError::RsaBits(65_536)),
        ("n", b64(&[&[0], &*vec![0xff; 256]].concat()), KeyError::RsaNumbers),
        ("n", b64(&[&*vec![0xff; 255], &[0xfe]].concat()), KeyError::RsaNumbers),
        ("n", String::new(), KeyError::Unusable(KeyAlgorithm::Rs256)),
        ("e", b64(&[1]), KeyError::RsaNumbers),
        ("e", b64(&[2]), KeyError::RsaNumbers),
        ("e", b64(&[0, 1, 0, 1]), KeyError::RsaNumbers),
        ("e", b64(&[1, 0, 0, 0, 1]), KeyError::RsaNumbers),
        ("e", String::new(), KeyError::RsaNumbers),
    ] {
        assert_eq!(jwk_error("RS256", |jwk| jwk[member] = json!(value)), error, "{member}");
    }
    let mut jwk = case("RS256")["jwk"].clone();
    jwk["n"] = json!(of_bits(8192));
    Key::from_jwk(&jwk.to_string(), KeyAlgorithm::Rs256).unwrap();
    // 1,024 bits, in DER.
    let small = "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDIUNYNxfzJ5N5SCkqQIoqMDiRd\njiPtev2SgrYBx6eldggv4fAHUVcPbsED9MTOqIggaBKVPSKBeg4QExvwhO+3yGjD\n9reLK8UDUH4fCJkZsyHSKY83hqiUDGqQHMJ1I1HfBSId2isDG4ze7mBkk6LK0hTk\nTpbwukQ1rgD6Znj0tQIDAQAB\n-----END PUBLIC KEY-----\n";
    assert_eq!(
        Key::from_pem(small, KeyAlgorithm::Ps256).unwrap_err(),
        KeyError::RsaBits(1024)
    );
}

#[test]
fn points_must_be_on_their_curve_and_whole() {
    let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    for name in ["ES256", "ES384", "ES512"] {
        let coordinate = decoded(&case(name)["jwk"]["x"]);
        jwk_error(name, |jwk| jwk["x"] = json!(b64(&coordinate[1..])));
        jwk_error(name, |jwk| jwk["x"] = json!(b64(&[&[0], &*coordinate].concat())));
        jwk_error(name, |jwk| jwk["y"] = json!(b64(&vec![1; coordinate.len()])));
        jwk_error(name, |jwk| jwk["y"] = jwk["x"].clone());
        jwk_error(name, |jwk| jwk["crv"] = json!("secp256k1"));
        jwk_error(name, |jwk| jwk["crv"] = Value::Null);
    }
    jwk_error("EdDSA", |jwk| jwk["x"] = json!(b64(&[7; 31])));
    jwk_error("EdDSA", |jwk| jwk["crv"] = json!("Ed448"));
    jwk_error("EdDSA", |jwk| jwk["crv"] = json!("X25519"));
}

#[test]
fn a_pem_holds_one_public_key() {
    let pem = case("RS256")["pem"].as_str().unwrap().to_owned();
    let ec = case("ES256")["pem"].as_str().unwrap().to_owned();
    let taken = |text: &str| Key::from_pem(text, KeyAlgorithm::Rs256);
    for text in [
        &pem,
        &format!("\n  {}  \n", pem.trim()),
        &pem.replace('\n', "\r\n"),
        &format!("a key\n{pem}"),
    ] {
        taken(text).unwrap();
    }
    for (text, words) in [
        (String::new(), "1 to 16384 bytes"),
        ("no pem".to_owned(), "BEGIN PUBLIC KEY"),
        (ec.clone(), "no public key for RS256"),
        (pem.replace("PUBLIC KEY", "PRIVATE KEY"), "private key"),
        (
            format!("{pem}{}", pem.replace("PUBLIC KEY", "ENCRYPTED PRIVATE KEY")),
            "private key",
        ),
        (pem.replace("PUBLIC KEY", "CERTIFICATE"), "certificate"),
        (pem.replace("PUBLIC KEY", "EC PUBLIC KEY"), "neither"),
        (pem.replace("END PUBLIC", "END RSA PUBLIC"), "does not fit"),
        (pem.split_once("-----END").unwrap().0.to_owned(), "does not fit"),
        (format!("{pem}{pem}"), "more than one"),
        (pem.replacen("MII", "MI!", 1), "base64"),
        (pem.replacen("MII", "MIJ", 1), "no public key"),
        (format!("{pem}{}", " ".repeat(KEY_BYTES)), "1 to 16384 bytes"),
    ] {
        let error = taken(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    let pkcs1 = case("RS256")["pem_pkcs1"].as_str().unwrap().to_owned();
    assert!(Key::from_pem(&pkcs1, KeyAlgorithm::Es256).is_err());
}

#[test]
fn no_bytes_make_a_key_panic() {
    // Each key of the vectors, cut and with bytes changed: an error or another key, never a panic.
    for case in vectors().cases {
        let whole = decoded(&case["bytes"]);
        let algorithm = algorithm(&case);
        for length in 0..whole.len() {
            let _ = Key::from_bytes(&whole[..length], algorithm);
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            if let Ok(key) = Key::from_bytes(&changed, algorithm) {
                assert!(!key.verify(b"message", &[1; 64]));
            }
        }
        for other in KeyAlgorithm::ALL {
            let _ = Key::from_bytes(&whole, other);
        }
    }
}

#[test]
fn a_key_does_not_show_itself() {
    let key = Key::from_bytes(b"a secret of some length", KeyAlgorithm::Hs256).unwrap();
    assert_eq!(format!("{key:?}"), "Key { algorithm: Hs256, .. }");
}

#[test]
fn digests_are_those_of_the_standards() {
    // FIPS 180-4's example, and RFC 4231's second.
    let hex = sluicegate_contract::hex::encode;
    assert_eq!(
        hex(&sluicegate_crypto::sha256(b"abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        hex(&sluicegate_crypto::hmac_sha256(
            b"Jefe",
            b"what do ya want for nothing?"
        )),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}
