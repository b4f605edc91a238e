//! RSA keys: their numbers are looked at before they are used. Knows no signature.

use aws_lc_rs::rsa::{PublicKey, PublicKeyComponents};
use aws_lc_rs::signature::RsaParameters;
use sluicegate_contract::key_algorithm::KeyAlgorithm;
use sluicegate_contract::limits::{RSA_BITS_MAX, RSA_BITS_MIN};

use crate::key::{Key, KeyError};

/// Bytes of an exponent at most. Nearly all keys have 65537; the time that a verification takes grows with it.
const EXPONENT_BYTES: usize = 4;

/// From DER, of RFC 8017 or of RFC 5280.
pub(crate) fn from_der(
    der: &[u8],
    algorithm: KeyAlgorithm,
    parameters: &'static RsaParameters,
) -> Result<Key, KeyError> {
    let key = PublicKey::from_der(der).map_err(|_| KeyError::Unusable(algorithm))?;
    let modulus = key.modulus().big_endian_without_leading_zero();
    let exponent = key.exponent().big_endian_without_leading_zero();
    from_numbers(modulus, exponent, algorithm, parameters)
}

/// From modulus and exponent, in big-endian bytes without leading zeros.
pub(crate) fn from_numbers(
    modulus: &[u8],
    exponent: &[u8],
    algorithm: KeyAlgorithm,
    parameters: &'static RsaParameters,
) -> Result<Key, KeyError> {
    let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else {
        return Err(KeyError::Unusable(algorithm));
    };
    // Leading zeros are not how a JWK writes a number (RFC 7518, 6.3.1).
    if *first == 0 || exponent.first().is_none_or(|first| *first == 0) {
        return Err(KeyError::RsaNumbers);
    }
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(KeyError::RsaBits(bits));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if last % 2 == 0 || !is_odd(exponent) || exponent == [1] || exponent.len() > EXPONENT_BYTES {
        return Err(KeyError::RsaNumbers);
    }
    let numbers = PublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    let key = numbers
        .to_parsed_public_key(parameters)
        .map_err(|_| KeyError::Unusable(algorithm))?;
    Ok(Key::public(algorithm, key))
}
