//! A key and the one algorithm that it is for. Knows the kinds of keys, not how they are written.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, VerificationAlgorithm};
use sluicegate_contract::key_algorithm::KeyAlgorithm;
use sluicegate_contract::limits::{KEY_BYTES, RSA_BITS_MAX, RSA_BITS_MIN};
use thiserror::Error;

use crate::{jwk, pem, rsa};

/// Why a key cannot be made. No text repeats a part of the key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It is empty or over [`KEY_BYTES`].
    #[error("a key has 1 to {KEY_BYTES} bytes, not {0}")]
    Length(usize),
    /// It can sign or decrypt, so it should not be here.
    #[error("it is a private key; verifying needs only the public one")]
    Private,
    /// The JWK cannot be read.
    #[error("it is no JSON Web Key: {0}")]
    Jwk(String),
    /// The PEM cannot be read.
    #[error("it is no PEM text of a public key: {0}")]
    Pem(&'static str),
    /// It can be read, but is for something else.
    #[error("it is no key for {}: {why}", algorithm.name())]
    OtherUse {
        /// What was asked for.
        algorithm: KeyAlgorithm,
        /// What it is instead.
        why: &'static str,
    },
    /// The bytes are no key of this kind.
    #[error("it is no public key for {}", .0.name())]
    Unusable(KeyAlgorithm),
    /// The modulus is too short to be safe, or too long to be verified in time.
    #[error("an RSA key has {RSA_BITS_MIN} to {RSA_BITS_MAX} bits, this one has {0}")]
    RsaBits(usize),
    /// The modulus is even, or the exponent is not one that RSA keys have.
    #[error("an RSA key's modulus is odd, and its exponent an odd number from 3 to 4294967295")]
    RsaNumbers,
}

/// Verifies signatures of one algorithm, fixed when the key is made.
pub struct Key {
    algorithm: KeyAlgorithm,
    material: Material,
}

enum Material {
    Shared(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// What an algorithm computes with.
pub(crate) enum Kind {
    Hmac(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Ec {
        /// The name of the curve in a JWK.
        curve: &'static str,
        /// Bytes of a coordinate.
        coordinate: usize,
        verifies: &'static dyn VerificationAlgorithm,
    },
    Ed25519,
}

pub(crate) fn kind(algorithm: KeyAlgorithm) -> Kind {
    match algorithm {
        KeyAlgorithm::Hs256 => Kind::Hmac(hmac::HMAC_SHA256),
        KeyAlgorithm::Hs384 => Kind::Hmac(hmac::HMAC_SHA384),
        KeyAlgorithm::Hs512 => Kind::Hmac(hmac::HMAC_SHA512),
        KeyAlgorithm::Rs256 => Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        KeyAlgorithm::Rs384 => Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        KeyAlgorithm::Rs512 => Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        KeyAlgorithm::Ps256 => Kind::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        KeyAlgorithm::Ps384 => Kind::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        KeyAlgorithm::Ps512 => Kind::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        KeyAlgorithm::Es256 => Kind::Ec {
            curve: "P-256",
            coordinate: 32,
            verifies: &signature::ECDSA_P256_SHA256_FIXED,
        },
        KeyAlgorithm::Es384 => Kind::Ec {
            curve: "P-384",
            coordinate: 48,
            verifies: &signature::ECDSA_P384_SHA384_FIXED,
        },
        KeyAlgorithm::Es512 => Kind::Ec {
            curve: "P-521",
            coordinate: 66,
            verifies: &signature::ECDSA_P521_SHA512_FIXED,
        },
        KeyAlgorithm::EdDsa => Kind::Ed25519,
    }
}

impl Key {
    /// From a JSON Web Key (RFC 7517): the text of one, not of a set.
    ///
    /// # Errors
    /// Why it is no key for `algorithm`.
    pub fn from_jwk(text: &str, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        check_length(text.len())?;
        jwk::read(text, algorithm)
    }

    /// From a public key as PEM text, `PUBLIC KEY` or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// Why it is no key for `algorithm`.
    pub fn from_pem(text: &str, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        check_length(text.len())?;
        let der = pem::decode(text, algorithm)?;
        Self::from_bytes(&der, algorithm)
    }

    /// From bytes: a shared secret for HS; else DER, a point (ES) or the key's own 32 bytes (`EdDSA`).
    ///
    /// # Errors
    /// Why it is no key for `algorithm`.
    pub fn from_bytes(bytes: &[u8], algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        check_length(bytes.len())?;
        let public = |verifies| ParsedPublicKey::new(verifies, bytes).map_err(|_| KeyError::Unusable(algorithm));
        let material = match kind(algorithm) {
            Kind::Hmac(hash) => Material::Shared(Box::new(hmac::Key::new(hash, bytes))),
            Kind::Rsa(parameters) => return rsa::from_der(bytes, algorithm, parameters),
            Kind::Ec { verifies, .. } => Material::Public(public(verifies)?),
            Kind::Ed25519 => Material::Public(public(&signature::ED25519)?),
        };
        Ok(Self { algorithm, material })
    }

    pub(crate) fn public(algorithm: KeyAlgorithm, key: ParsedPublicKey) -> Self {
        Self {
            algorithm,
            material: Material::Public(key),
        }
    }

    /// What the key is for.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's of `message`. Of a shared secret in constant time.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Shared(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// Without the key itself.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn check_length(bytes: usize) -> Result<(), KeyError> {
    if (1..=KEY_BYTES).contains(&bytes) {
        Ok(())
    } else {
        Err(KeyError::Length(bytes))
    }
}
