//! The keys that may have signed a token, each bound to one algorithm. Knows no claim.
//!
//! The binding is what rules out key confusion: a token's `alg` only picks among keys configured for exactly
//! that algorithm, it never decides how a key is used.

use jsonwebtoken::{
    DecodingKey,
    crypto::verify,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

use crate::settings::{Algorithm, KeySettings};

/// An HS256 secret shorter than this is an error at the start: it can be guessed.
pub const MIN_SECRET_BYTES: usize = 16;
/// An HS256 secret shorter than this works, with a warning (RFC 7518, 3.2 asks for 256 bits).
pub const GOOD_SECRET_BYTES: usize = 32;

/// A key, what it is for and what it is called.
struct Key {
    alg: Algorithm,
    kid: Option<String>,
    material: DecodingKey,
}

/// All keys of the settings.
pub struct Keys(Vec<Key>);

/// Keys, and what the operator should know about them.
pub struct Checked {
    /// The keys, each of which can verify.
    pub keys: Keys,
    /// What works but is not wise.
    pub warnings: Vec<String>,
}

impl Keys {
    /// Checks the settings of all keys.
    ///
    /// # Errors
    /// The first key that cannot be used, by its place.
    pub fn check(settings: Vec<KeySettings>) -> Result<Checked, String> {
        let mut keys = Vec::new();
        let mut warnings = Vec::new();
        for (index, setting) in settings.into_iter().enumerate() {
            let at = format!("keys[{index}]");
            read(setting, &mut keys, &mut warnings).map_err(|e| format!("{at}: {e}"))?;
        }
        let keys = Self(keys);
        Ok(Checked { keys, warnings })
    }

    /// Whether one of the keys for `alg` signed `message`. A token that names a key is not tried with keys
    /// of other names; one without a name is tried with all of its algorithm.
    #[must_use]
    pub fn signed(&self, alg: &str, kid: Option<&str>, message: &[u8], signature: &str) -> bool {
        self.0
            .iter()
            .filter(|key| name(key.alg) == alg)
            .filter(|key| key.kid.is_none() || kid.is_none() || key.kid.as_deref() == kid)
            .any(|key| verify(signature, message, &key.material, library(key.alg)).unwrap_or(false))
    }
}

fn name(alg: Algorithm) -> &'static str {
    match alg {
        Algorithm::HS256 => "HS256",
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        Algorithm::EdDSA => "EdDSA",
    }
}

fn library(alg: Algorithm) -> jsonwebtoken::Algorithm {
    match alg {
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}

fn read(setting: KeySettings, keys: &mut Vec<Key>, warnings: &mut Vec<String>) -> Result<(), String> {
    let KeySettings {
        alg,
        secret,
        public_pem,
        jwks,
        kid,
    } = setting;
    let (alg, key) = match (alg, secret, public_pem, jwks) {
        (Some(Algorithm::HS256), Some(secret), None, None) => (Algorithm::HS256, shared(secret.as_bytes(), warnings)?),
        (Some(Algorithm::HS256), ..) => return Err("HS256 takes a `secret` and nothing else".into()),
        (Some(alg), None, Some(pem), None) => (alg, public(alg, &pem)?),
        (Some(alg), ..) => return Err(format!("{} takes a `public_pem` and nothing else", name(alg))),
        (None, None, None, Some(_)) if kid.is_some() => {
            return Err("the keys of a `jwks` bring their own `kid`".into());
        }
        (None, None, None, Some(set)) => return read_set(&set, keys, warnings),
        (None, ..) => return Err("a key is `alg` with `secret` or `public_pem`, or `jwks` alone".into()),
    };
    keys.push(usable(alg, kid, key)?);
    Ok(())
}

fn shared(secret: &[u8], warnings: &mut Vec<String>) -> Result<DecodingKey, String> {
    if secret.len() < MIN_SECRET_BYTES {
        return Err(format!(
            "the secret has {} bytes; it needs {MIN_SECRET_BYTES}, better 32",
            secret.len()
        ));
    }
    if secret.len() < GOOD_SECRET_BYTES {
        warnings.push(format!(
            "an HS256 secret has {} bytes; {GOOD_SECRET_BYTES} are safe",
            secret.len()
        ));
    }
    Ok(DecodingKey::from_secret(secret))
}

fn public(alg: Algorithm, pem: &str) -> Result<DecodingKey, String> {
    if pem.contains("PRIVATE KEY") {
        return Err("`public_pem` holds a private key; verifying needs only the public one".into());
    }
    let pem = pem.as_bytes();
    let key = match alg {
        Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
        Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
        Algorithm::EdDSA | Algorithm::HS256 => DecodingKey::from_ed_pem(pem),
    };
    key.map_err(|e| format!("`public_pem` is no public key for {}: {e}", name(alg)))
}

/// A key of the wrong curve or size would only show when the first token comes: tried here instead, on a
/// signature that cannot be right.
fn usable(alg: Algorithm, kid: Option<String>, key: DecodingKey) -> Result<Key, String> {
    match verify("AAAA", b"", &key, library(alg)) {
        Ok(_) => Ok(Key {
            alg,
            kid,
            material: key,
        }),
        Err(e) => Err(format!("this key cannot verify {}: {e}", name(alg))),
    }
}

fn read_set(text: &str, keys: &mut Vec<Key>, warnings: &mut Vec<String>) -> Result<(), String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|e| format!("`jwks` is no JWK Set: {e}"))?;
    let before = keys.len();
    for jwk in set.keys {
        // A set may hold keys for other uses and algorithms: not for us, and no mistake.
        let Some(alg) = algorithm(&jwk) else { continue };
        let key = match &jwk.algorithm {
            AlgorithmParameters::OctetKey(_) => {
                let key = DecodingKey::from_jwk(&jwk).map_err(|e| format!("`jwks`: {e}"))?;
                shared(key.try_get_as_bytes().unwrap_or_default(), warnings)?
            }
            _ => DecodingKey::from_jwk(&jwk).map_err(|e| format!("`jwks`: {e}"))?,
        };
        keys.push(usable(alg, jwk.common.key_id, key)?);
    }
    if keys.len() == before {
        return Err("`jwks` holds no key for HS256, RS256, ES256 or EdDSA".into());
    }
    Ok(())
}

/// What a JWK is for: its kind decides, and its `alg` must agree.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if matches!(&jwk.common.public_key_use, Some(other) if *other != PublicKeyUse::Signature) {
        return None;
    }
    let (alg, same) = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|said| said == same).then_some(alg)
}
