//! Makes tokens, good and forged, and reads verdicts.
#![allow(dead_code, reason = "each test file uses its part")]

use authorize::Authorize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, rand::SystemRandom, signature};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
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
pub(crate) const RSA_PSS: Pair = Pair {
    name: "PS256",
    public: RSA.public,
    private: RSA.private,
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

fn signed(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", part(signature))
}

fn hmac_of(alg: hmac::Algorithm, secret: &[u8], message: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(alg, secret), message.as_bytes());
    signed(message, tag.as_ref())
}

pub(crate) fn hs256(claims: &Value) -> String {
    hs256_text(&claims.to_string())
}

pub(crate) fn hs256_text(claims: &str) -> String {
    let message = message(&json!({"alg": "HS256", "typ": "JWT"}), claims);
    hmac_of(hmac::HMAC_SHA256, SECRET.as_bytes(), &message)
}

/// HMAC with SHA-256 whatever the header says.
pub(crate) fn hs256_with(secret: &[u8], header: &Value, claims: &Value) -> String {
    hmac_of(hmac::HMAC_SHA256, secret, &message(header, &claims.to_string()))
}

/// The same of texts and bytes that need not be JSON.
pub(crate) fn hs256_of(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    hmac_of(hmac::HMAC_SHA256, SECRET.as_bytes(), &message)
}

pub(crate) fn hs512_with(secret: &[u8], claims: &Value) -> String {
    let message = message(&json!({"alg": "HS512"}), &claims.to_string());
    hmac_of(hmac::HMAC_SHA512, secret, &message)
}

pub(crate) fn sign(pair: &Pair, kid: Option<&str>, claims: &Value) -> String {
    sign_with(pair, &json!({"alg": pair.name}), kid, claims)
}

pub(crate) fn sign_with(pair: &Pair, header: &Value, kid: Option<&str>, claims: &Value) -> String {
    let mut header = header.clone();
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let message = message(&header, &claims.to_string());
    signed(&message, &pair.sign(message.as_bytes()))
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let base64: String = self.private.lines().filter(|line| !line.starts_with('-')).collect();
        let der = BASE64_STANDARD.decode(base64).unwrap();
        let random = SystemRandom::new();
        match self.name {
            "RS256" | "PS256" => {
                let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
                let mut out = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn signature::RsaEncoding = match self.name {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    _ => &signature::RSA_PSS_SHA256,
                };
                pair.sign(padding, &random, message, &mut out).unwrap();
                out
            }
            "ES256" => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }
            _ => {
                let pair = Ed25519KeyPair::from_pkcs8(&der).unwrap();
                pair.sign(message).as_ref().to_vec()
            }
        }
    }
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
