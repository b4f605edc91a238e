//! Tokens, good and bad. Shares no code with the broker or its plugins.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::pkcs8::LineEnding;
use rsa::signature::SignatureEncoding as _;
use serde_json::{Value, json};
use sha2::Sha256;

use super::envelope::now_ms;

/// The secret of the tenants in the tests.
pub(crate) const SECRET: &str = "a-secret-that-only-the-tests-know-4711";

/// Seconds since the Unix epoch, `from_now` later.
pub(crate) fn seconds(from_now: i64) -> i64 {
    i64::try_from(now_ms() / 1000).expect("a time") + from_now
}

/// A token of [`SECRET`] for `user`, good for an hour.
pub(crate) fn of(user: &str) -> String {
    with(&json!({ "sub": user, "exp": seconds(3600) }))
}

/// A token of [`SECRET`] with these claims.
pub(crate) fn with(claims: &Value) -> String {
    hs256(SECRET.as_bytes(), &json!({ "alg": "HS256", "typ": "JWT" }), claims)
}

/// A token signed with HMAC-SHA256, whatever its header says.
pub(crate) fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    sign(header, claims, |text| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    })
}

/// A token of [`SECRET`] whose claims are these bytes, which need not be JSON.
pub(crate) fn with_text(claims: &[u8]) -> String {
    let text = format!("{}.{}", encode(header("HS256").to_string()), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(text.as_bytes());
    format!("{text}.{}", encode(mac.finalize().into_bytes()))
}

/// A token that nobody signed, under this header: its signature has the length of one of RSA with 2,048 bits.
pub(crate) fn forged(header: &Value, claims: &Value) -> String {
    sign(header, claims, |_| vec![0x5a; 256])
}

/// A token without a signature: `alg` is `none`.
pub(crate) fn unsigned(claims: &Value) -> String {
    sign(&json!({ "alg": "none", "typ": "JWT" }), claims, |_| Vec::new())
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sign(header: &Value, claims: &Value, signature: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let text = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = encode(signature(text.as_bytes()));
    format!("{text}.{signature}")
}

fn header(alg: &str) -> Value {
    json!({ "alg": alg, "typ": "JWT" })
}

// One key of each kind for the whole run: making an RSA key is slow.
static RSA: LazyLock<rsa::RsaPrivateKey> = LazyLock::new(|| {
    let mut random = rsa::rand_core::UnwrapErr(getrandom::SysRng);
    rsa::RsaPrivateKey::new(&mut random, 2048).expect("an RSA key")
});

/// RS256.
pub(crate) fn rs256(claims: &Value) -> String {
    rs256_with(&header("RS256"), claims)
}

/// RS256 under this header.
pub(crate) fn rs256_with(header: &Value, claims: &Value) -> String {
    use rsa::signature::Signer as _;
    let key = rsa::pkcs1v15::SigningKey::<Sha256>::new(RSA.clone());
    sign(header, claims, |text| key.sign(text).to_vec())
}

/// A JWK Set of so many RSA keys, of which the last, with the name `ours`, is that of [`rs256`].
pub(crate) fn rs256_jwks(count: u8) -> String {
    let pem = rs256_public_pem();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(base64).expect("base64");
    // At the end of the DER stands the modulus, then the exponent 65537 with its tag and length.
    let ours = &der[der.len() - 261..der.len() - 5];
    let jwk = |kid: &str, modulus: &[u8]| json!({ "kty": "RSA", "use": "sig", "kid": kid, "n": encode(modulus), "e": "AQAB" });
    let mut keys: Vec<Value> = (1..count)
        .map(|number| {
            let mut modulus = [0xab; 256];
            modulus[1] = number;
            jwk(&format!("other{number}"), &modulus)
        })
        .collect();
    keys.push(jwk("ours", ours));
    json!({ "keys": keys }).to_string()
}

/// The public half of the key of [`rs256`].
pub(crate) fn rs256_public_pem() -> String {
    RSA.to_public_key().to_public_key_pem(LineEnding::LF).expect("a PEM")
}

/// ES256.
pub(crate) fn es256(claims: &Value) -> String {
    let key = es256_key();
    sign(&header("ES256"), claims, |text| {
        let signature: p256::ecdsa::Signature = key.sign(text);
        signature.to_bytes().to_vec()
    })
}

fn es256_key() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a scalar")
}

/// The public half of the key of [`es256`].
pub(crate) fn es256_public_pem() -> String {
    es256_key()
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .expect("a PEM")
}

/// `EdDSA` (Ed25519).
pub(crate) fn eddsa(claims: &Value) -> String {
    let key = eddsa_key();
    sign(&header("EdDSA"), claims, |text| key.sign(text).to_bytes().to_vec())
}

fn eddsa_key() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[9; 32])
}

/// The public half of the key of [`eddsa`].
pub(crate) fn eddsa_public_pem() -> String {
    eddsa_key()
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .expect("a PEM")
}
