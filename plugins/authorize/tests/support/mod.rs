//! Makes tokens, good and forged, and reads verdicts.
#![allow(dead_code, reason = "each test file uses its part")]

use authorize::Authorize;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use sluicegate_plugin::{
    ConnectVerdict, Identity,
    testing::{Handshake, Host, START_MS, Session},
};

/// What the test clock shows, in seconds.
pub(crate) const NOW: u64 = START_MS / 1000;
pub(crate) const SECRET: &str = "a secret of at least 32 bytes ok";

pub(crate) struct Pair {
    pub name: &'static str,
    pub public: &'static str,
    private: &'static str,
}

pub(crate) const RSA: Pair = Pair {
    name: "RS256",
    public: include_str!("../keys/rsa.pub.pem"),
    private: include_str!("../keys/rsa.pem"),
};
pub(crate) const EC: Pair = Pair {
    name: "ES256",
    public: include_str!("../keys/ec.pub.pem"),
    private: include_str!("../keys/ec.pem"),
};
pub(crate) const ED: Pair = Pair {
    name: "EdDSA",
    public: include_str!("../keys/ed.pub.pem"),
    private: include_str!("../keys/ed.pem"),
};
pub(crate) const P384_PUBLIC: &str = include_str!("../keys/p384.pub.pem");

pub(crate) fn start(settings: Value) -> Host<Authorize> {
    Host::start(settings).unwrap()
}

fn part(text: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn message(header: &Value, claims: &str) -> String {
    format!("{}.{}", part(header.to_string()), part(claims))
}

pub(crate) fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    format!("{}.{signature}", message(header, &claims.to_string()))
}

fn signed(message: &str, key: &EncodingKey, alg: Algorithm) -> String {
    let signature = crypto::sign(message.as_bytes(), key, alg).unwrap();
    format!("{message}.{signature}")
}

pub(crate) fn hs256(claims: &Value) -> String {
    hs256_text(&claims.to_string())
}

pub(crate) fn hs256_text(claims: &str) -> String {
    let message = message(&json!({"alg": "HS256", "typ": "JWT"}), claims);
    signed(&message, &EncodingKey::from_secret(SECRET.as_bytes()), Algorithm::HS256)
}

/// HMAC with SHA-256 whatever the header says.
pub(crate) fn hs256_with(secret: &[u8], header: &Value, claims: &Value) -> String {
    signed(
        &message(header, &claims.to_string()),
        &EncodingKey::from_secret(secret),
        Algorithm::HS256,
    )
}

pub(crate) fn hs_with(alg: &str, secret: &[u8], claims: &Value) -> String {
    let message = message(&json!({"alg": alg}), &claims.to_string());
    signed(&message, &EncodingKey::from_secret(secret), alg.parse().unwrap())
}

pub(crate) fn sign(pair: &Pair, kid: Option<&str>, claims: &Value) -> String {
    let pem = pair.private.as_bytes();
    let (key, alg) = match pair.name {
        "RS256" => (EncodingKey::from_rsa_pem(pem), Algorithm::RS256),
        "ES256" => (EncodingKey::from_ec_pem(pem), Algorithm::ES256),
        _ => (EncodingKey::from_ed_pem(pem), Algorithm::EdDSA),
    };
    let mut header = json!({"alg": pair.name});
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    signed(&message(&header, &claims.to_string()), &key.unwrap(), alg)
}

/// The same token with other claims under the old signature.
pub(crate) fn with_claims(token: &str, claims: &Value) -> String {
    let parts: Vec<_> = token.split('.').collect();
    format!("{}.{}.{}", parts[0], part(claims.to_string()), parts[2])
}

pub(crate) fn with_signature(token: &str, signature: &str) -> String {
    format!("{}.{signature}", token.rsplit_once('.').unwrap().0)
}

pub(crate) fn connect(host: &mut Host<Authorize>, token: &str) -> ConnectVerdict {
    host.connect(&Handshake::with_token(token), &Session::anonymous())
}

pub(crate) fn accepted(host: &mut Host<Authorize>, token: &str) -> Identity {
    match connect(host, token) {
        ConnectVerdict::Accept(identity) => identity,
        other => panic!("not accepted: {other:?}"),
    }
}

pub(crate) fn refused(host: &mut Host<Authorize>, token: &str) -> (u16, String) {
    match connect(host, token) {
        ConnectVerdict::Deny(denial) => (denial.code, denial.reason),
        other => panic!("not refused: {other:?}"),
    }
}
