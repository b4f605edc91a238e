//! Sets of JSON Web Keys (RFC 7517, 5): which keys of one are for signatures that can be verified here. Knows no token.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use sluicegate_plugin::crypto::{Key, KeyAlgorithm};

use crate::keys::{Collected, is_shared};

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Box<RawValue>>,
}

/// What a key says of itself. The broker reads the rest of it.
#[derive(Deserialize)]
struct Description {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    k: Option<String>,
}

/// Adds the keys of a set.
pub(crate) fn read(text: &str, collected: &mut Collected) -> Result<(), String> {
    // The reader's own words may repeat a part of a key.
    let set: KeySet = serde_json::from_str(text).map_err(|error| {
        format!(
            "`jwks` is no JWK Set from line {}, column {}",
            error.line(),
            error.column()
        )
    })?;
    let before = collected.len();
    for (index, jwk) in set.keys.iter().enumerate() {
        add(jwk.get(), collected).map_err(|error| format!("`jwks`, key {index}: {error}"))?;
    }
    if collected.len() == before {
        return Err("`jwks` holds no key for the signatures that can be verified here".into());
    }
    Ok(())
}

fn add(jwk: &str, collected: &mut Collected) -> Result<(), String> {
    let description: Description = serde_json::from_str(jwk)
        .map_err(|_| "it is no JSON Web Key: a member is missing, twice or of another kind")?;
    // A set may hold keys for other uses and algorithms: not for us, and no mistake.
    let Some(algorithm) = algorithm(&description) else {
        return Ok(());
    };
    if !is_shared(algorithm) {
        let key = Key::from_jwk(jwk, algorithm).map_err(|error| error.to_string())?;
        collected.push(key, description.kid);
        return Ok(());
    }
    let secret = description.k.and_then(|k| BASE64_URL_SAFE_NO_PAD.decode(k).ok());
    let secret = secret.ok_or("k is missing, or no base64url without padding")?;
    collected.push_secret(&secret, algorithm, description.kid)
}

/// What a key is for: what its `alg` says, else the algorithm that keys of its kind are mostly used with.
fn algorithm(description: &Description) -> Option<KeyAlgorithm> {
    let is_for_signatures = description.used_for.as_deref().is_none_or(|used_for| used_for == "sig");
    let verifies = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
    if !is_for_signatures || !description.key_ops.as_ref().is_none_or(verifies) {
        return None;
    }
    let usual = match (&*description.kty, description.crv.as_deref()) {
        ("oct", _) => KeyAlgorithm::Hs256,
        ("RSA", _) => KeyAlgorithm::Rs256,
        ("EC", Some("P-256")) => KeyAlgorithm::Es256,
        ("EC", Some("P-384")) => KeyAlgorithm::Es384,
        ("EC", Some("P-521")) => KeyAlgorithm::Es512,
        ("OKP", Some("Ed25519")) => KeyAlgorithm::EdDsa,
        _ => return None,
    };
    match &description.alg {
        Some(said) => KeyAlgorithm::named(said),
        None => Some(usual),
    }
}
