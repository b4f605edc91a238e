//! JSON Web Keys (RFC 7517; RFC 7518, 6; RFC 8037, 2), read strictly. Knows no set of them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sluicegate_contract::key_algorithm::KeyAlgorithm;

use crate::key::{Key, KeyError, Kind, kind};
use crate::rsa;

/// The members that are looked at; others are not ours (RFC 7517, 4). One that is there twice is an error.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    k: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Private keys have it.
    d: Option<IgnoredAny>,
}

pub(crate) fn read(text: &str, algorithm: KeyAlgorithm) -> Result<Key, KeyError> {
    // The reader's own words may repeat a part of the key.
    let jwk: Jwk = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        KeyError::Jwk(format!("it cannot be read from {place}"))
    })?;
    let other = |why| Err(KeyError::OtherUse { algorithm, why });
    if jwk.d.is_some() {
        return Err(KeyError::Private);
    }
    if jwk.alg.as_deref().is_some_and(|said| said != algorithm.name()) {
        return other("its alg is another one");
    }
    if jwk.used_for.as_deref().is_some_and(|used_for| used_for != "sig") {
        return other("its use is not sig");
    }
    if jwk.key_ops.is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
        return other("its key_ops do not have verify");
    }
    let of_kind = |kty: &str| jwk.kty == kty;
    let on_curve = |crv: &str| jwk.crv.as_deref() == Some(crv);
    match kind(algorithm) {
        Kind::Hmac(_) if of_kind("oct") => Key::from_bytes(&bytes("k", jwk.k)?, algorithm),
        Kind::Rsa(parameters) if of_kind("RSA") => {
            rsa::from_numbers(&bytes("n", jwk.n)?, &bytes("e", jwk.e)?, algorithm, parameters)
        }
        Kind::Ec { curve, coordinate, .. } if of_kind("EC") && on_curve(curve) => {
            let (x, y) = (bytes("x", jwk.x)?, bytes("y", jwk.y)?);
            if x.len() != coordinate || y.len() != coordinate {
                return other("its point has another length");
            }
            // An uncompressed point (SEC 1, 2.3.3).
            Key::from_bytes(&[&[4], &*x, &*y].concat(), algorithm)
        }
        Kind::Ed25519 if of_kind("OKP") && on_curve("Ed25519") => {
            let x = bytes("x", jwk.x)?;
            if x.len() != 32 {
                return other("its x has not 32 bytes");
            }
            Key::from_bytes(&x, algorithm)
        }
        _ => other("its kty or crv is another one"),
    }
}

fn bytes(member: &str, text: Option<String>) -> Result<Vec<u8>, KeyError> {
    let text = text.ok_or_else(|| KeyError::Jwk(format!("{member} is missing")))?;
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| KeyError::Jwk(format!("{member} is no base64url without padding")))
}
