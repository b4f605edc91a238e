//! Public keys as PEM text (RFC 7468). Knows no kind of key.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sluicegate_contract::key_algorithm::KeyAlgorithm;

use crate::key::{KeyError, Kind, kind};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The DER of the one public key in `text`.
pub(crate) fn decode(text: &str, algorithm: KeyAlgorithm) -> Result<Vec<u8>, KeyError> {
    // Looked for in all of the text: a private key must not pass behind a public one.
    if text.contains("PRIVATE KEY-----") {
        return Err(KeyError::Private);
    }
    let missing = KeyError::Pem("it has no `-----BEGIN PUBLIC KEY-----`");
    let (_, block) = text.split_once(BEGIN).ok_or(missing.clone())?;
    let (label, block) = block.split_once(DASHES).ok_or(missing)?;
    let is_for_it = match label {
        "PUBLIC KEY" => !matches!(kind(algorithm), Kind::Hmac(_)),
        "RSA PUBLIC KEY" => matches!(kind(algorithm), Kind::Rsa(_)),
        "CERTIFICATE" => {
            return Err(KeyError::Pem(
                "it is a certificate; `openssl x509 -pubkey -noout` takes the key out of it",
            ));
        }
        _ => return Err(KeyError::Pem("it is neither `PUBLIC KEY` nor `RSA PUBLIC KEY`")),
    };
    if !is_for_it {
        return Err(KeyError::Unusable(algorithm));
    }
    let cut_off = KeyError::Pem("its end does not fit its beginning");
    let (body, after) = block.split_once(END).ok_or(cut_off.clone())?;
    let after = after.strip_prefix(label).and_then(|rest| rest.strip_prefix(DASHES));
    if after.ok_or(cut_off)?.contains(BEGIN) {
        return Err(KeyError::Pem("it holds more than one key"));
    }
    let base64: String = body.split_ascii_whitespace().collect();
    BASE64_STANDARD
        .decode(base64)
        .map_err(|_| KeyError::Pem("what is between its lines is no base64"))
}
