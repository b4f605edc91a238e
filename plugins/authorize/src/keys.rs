//! The keys that may have signed a token, each made for one algorithm. Knows no claim.
//!
//! That rules out key confusion: a token's `alg` only picks among keys of exactly that algorithm, it never decides how a
//! key is used.

use sluicegate_plugin::crypto::{Key, KeyAlgorithm};

use crate::key_set;
use crate::settings::{Algorithm, KeySettings};

/// A shared secret shorter than this is an error at the start: it can be guessed.
pub const MIN_SECRET_BYTES: usize = 16;
/// A shared secret shorter than this works, with a warning (RFC 7518, 3.2 asks for 256 bits).
pub const GOOD_SECRET_BYTES: usize = 32;
/// Keys that a token is tried with, at most: a forged one costs no more than so many verifications.
pub const MAX_TRIED: usize = 4;

/// A key and its name.
struct NamedKey {
    kid: Option<String>,
    key: Key,
}

/// All keys of the settings.
pub struct Keys(Vec<NamedKey>);

/// Keys, and what the operator should know about them.
pub struct Checked {
    /// The keys, each of which can verify.
    pub keys: Keys,
    /// What works but is not wise.
    pub warnings: Vec<String>,
}

/// Keys while they are read.
#[derive(Default)]
pub(crate) struct Collected {
    keys: Vec<NamedKey>,
    warnings: Vec<String>,
}

impl Keys {
    /// Checks the settings of all keys.
    ///
    /// # Errors
    /// The first key that cannot be used, by its place.
    pub fn check(settings: Vec<KeySettings>) -> Result<Checked, String> {
        let mut collected = Collected::default();
        for (index, setting) in settings.into_iter().enumerate() {
            read(setting, &mut collected).map_err(|e| format!("keys[{index}]: {e}"))?;
        }
        let Collected { keys, mut warnings } = collected;
        let keys = Self(keys);
        warnings.extend(keys.never_tried());
        Ok(Checked { keys, warnings })
    }

    /// Whether one of the keys for `alg` signed `message`, of which at most [`MAX_TRIED`] are tried.
    #[must_use]
    pub fn signed(&self, alg: &str, kid: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        let Some(algorithm) = KeyAlgorithm::named(alg) else {
            return false;
        };
        self.candidates(algorithm, kid)
            .take(MAX_TRIED)
            .any(|key| key.verify(message, signature))
    }

    /// The keys for a token that names `kid`: those of that name, then those without one. For a token without a name all
    /// of its algorithm.
    fn candidates<'k>(&'k self, algorithm: KeyAlgorithm, kid: Option<&'k str>) -> impl Iterator<Item = &'k Key> {
        let of_algorithm = self.0.iter().filter(move |each| each.key.algorithm() == algorithm);
        let named = of_algorithm
            .clone()
            .filter(move |each| kid.is_none() || each.kid.as_deref() == kid);
        let unnamed = of_algorithm.filter(move |each| kid.is_some() && each.kid.is_none());
        named.chain(unnamed).map(|each| &each.key)
    }

    /// The operator's tokens may name no key, and then the keys behind the fourth are never reached.
    fn never_tried(&self) -> Vec<String> {
        let count = |algorithm| self.candidates(algorithm, None).count();
        let over = KeyAlgorithm::ALL
            .into_iter()
            .filter(|algorithm| count(*algorithm) > MAX_TRIED);
        over.map(|algorithm| {
            format!(
                "there are {} keys for {}: a token without `kid` is tried with the first {MAX_TRIED} alone",
                count(algorithm),
                algorithm.name()
            )
        })
        .collect()
    }
}

impl Collected {
    pub(crate) fn push(&mut self, key: Key, kid: Option<String>) {
        self.keys.push(NamedKey { kid, key });
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// A shared secret that is long enough.
    pub(crate) fn push_secret(
        &mut self,
        secret: &[u8],
        algorithm: KeyAlgorithm,
        kid: Option<String>,
    ) -> Result<(), String> {
        let found = secret.len();
        if found < MIN_SECRET_BYTES {
            return Err(format!(
                "the secret has {found} bytes; it needs {MIN_SECRET_BYTES}, better {GOOD_SECRET_BYTES}"
            ));
        }
        if found < GOOD_SECRET_BYTES {
            self.warnings.push(format!(
                "a secret for {} has {found} bytes; {GOOD_SECRET_BYTES} are safe",
                algorithm.name()
            ));
        }
        let key = Key::from_bytes(secret, algorithm).map_err(|error| error.to_string())?;
        self.push(key, kid);
        Ok(())
    }
}

/// The settings know the algorithms by the names that the operator writes.
fn made_for(alg: Algorithm) -> KeyAlgorithm {
    match alg {
        Algorithm::HS256 => KeyAlgorithm::Hs256,
        Algorithm::HS384 => KeyAlgorithm::Hs384,
        Algorithm::HS512 => KeyAlgorithm::Hs512,
        Algorithm::RS256 => KeyAlgorithm::Rs256,
        Algorithm::RS384 => KeyAlgorithm::Rs384,
        Algorithm::RS512 => KeyAlgorithm::Rs512,
        Algorithm::PS256 => KeyAlgorithm::Ps256,
        Algorithm::PS384 => KeyAlgorithm::Ps384,
        Algorithm::PS512 => KeyAlgorithm::Ps512,
        Algorithm::ES256 => KeyAlgorithm::Es256,
        Algorithm::ES384 => KeyAlgorithm::Es384,
        Algorithm::ES512 => KeyAlgorithm::Es512,
        Algorithm::EdDSA => KeyAlgorithm::EdDsa,
    }
}

pub(crate) fn is_shared(algorithm: KeyAlgorithm) -> bool {
    matches!(
        algorithm,
        KeyAlgorithm::Hs256 | KeyAlgorithm::Hs384 | KeyAlgorithm::Hs512
    )
}

fn read(setting: KeySettings, collected: &mut Collected) -> Result<(), String> {
    let KeySettings {
        alg,
        secret,
        public_pem,
        jwks,
        kid,
    } = setting;
    let algorithm = match (alg, jwks) {
        (Some(alg), None) => made_for(alg),
        (None, Some(_)) if kid.is_some() => return Err("the keys of a `jwks` bring their own `kid`".into()),
        (None, Some(set)) if secret.is_none() && public_pem.is_none() => return key_set::read(&set, collected),
        _ => return Err("a key is `alg` with `secret` or `public_pem`, or `jwks` alone".into()),
    };
    let name = algorithm.name();
    match (secret, public_pem) {
        (Some(secret), None) if is_shared(algorithm) => collected.push_secret(secret.as_bytes(), algorithm, kid),
        (None, Some(pem)) if !is_shared(algorithm) => {
            let key = Key::from_pem(&pem, algorithm).map_err(|error| format!("`public_pem`: {error}"))?;
            collected.push(key, kid);
            Ok(())
        }
        _ if is_shared(algorithm) => Err(format!("{name} takes a `secret` and nothing else")),
        _ => Err(format!("{name} takes a `public_pem` and nothing else")),
    }
}
