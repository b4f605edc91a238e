//! From a token to an identity or a refusal. Knows keys by what they signed, and no channel.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use sluicegate_plugin::{Denial, Identity};

use crate::keys::Keys;

/// The claims that the broker takes for a session, in bytes of JSON.
pub const MAX_CLAIMS_BYTES: usize = 16 * 1024;
/// The longest user id, in bytes.
pub const MAX_USER_BYTES: usize = 255;
/// Longer than any token whose claims fit; not decoded.
const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read, or nobody we trust signed it; the text is for a person.
    Invalid(&'static str),
    /// It was good once.
    Expired,
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(why) => Self::new(4401, "invalid_token").message(why),
            Refusal::Expired => Self::new(4410, "token_expired").message("the token has expired"),
        }
    }
}

/// How tokens are checked.
pub struct Verifier {
    /// Who may have signed.
    pub keys: Keys,
    /// What `iss` must be, if it is looked at.
    pub issuer: Option<String>,
    /// What `aud` must be or hold, if it is looked at.
    pub audience: Option<String>,
    /// How far clocks may differ.
    pub leeway_seconds: u64,
    /// Whether a token without `exp` is refused.
    pub require_exp: bool,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515, 4.1.11): we understand none.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<Date>,
    nbf: Option<Date>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn holds(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// Seconds since the epoch, perhaps with a fraction (RFC 7519, 2).
#[derive(Clone, Copy, Deserialize)]
struct Date(f64);

impl Date {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates: before the epoch is 0, beyond the range is its end"
    )]
    fn ms(self) -> u64 {
        (self.0 * 1000.0) as u64
    }
}

impl Verifier {
    /// Checks a token at the time `now_ms` (milliseconds since the epoch).
    ///
    /// # Errors
    /// [`Refusal`]: the signature is looked at before anything it covers.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Identity, Refusal> {
        let payload = self.open(token)?;
        let text = String::from_utf8(payload).map_err(|_| Refusal::Invalid("the claims are not text"))?;
        if text.len() > MAX_CLAIMS_BYTES {
            return Err(Refusal::Invalid("the claims are over 16 KiB"));
        }
        // A list of five would also read as the struct.
        if !text.trim_start().starts_with('{') {
            return Err(Refusal::Invalid("the claims are no JSON object"));
        }
        let claims: Claims = serde_json::from_str(&text).map_err(|_| Refusal::Invalid("the claims cannot be read"))?;
        let expires_ms = self.check(&claims, now_ms)?;
        Ok(Identity {
            user: claims.sub,
            claims: text,
            expires_ms,
        })
    }

    /// The claims' bytes, once a key is found that signed them.
    fn open(&self, token: &str) -> Result<Vec<u8>, Refusal> {
        const SHAPE: Refusal = Refusal::Invalid("this is no signed JSON Web Token");
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::Invalid("the token is too long"));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(SHAPE)?;
        let (header, payload) = message.split_once('.').ok_or(SHAPE)?;
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(|_| SHAPE)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| SHAPE)?;
        if header.crit.is_some() {
            return Err(Refusal::Invalid(
                "the token asks for extensions that are not known here",
            ));
        }
        if !self
            .keys
            .signed(&header.alg, header.kid.as_deref(), message.as_bytes(), signature)
        {
            return Err(Refusal::Invalid("no configured key signed this token"));
        }
        BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| SHAPE)
    }

    /// Returns when the session ends.
    fn check(&self, claims: &Claims, now_ms: u64) -> Result<Option<u64>, Refusal> {
        let leeway_ms = self.leeway_seconds * 1000;
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(Refusal::Invalid("the token is from another issuer"));
        }
        if let Some(name) = &self.audience
            && !claims.aud.as_ref().is_some_and(|aud| aud.holds(name))
        {
            return Err(Refusal::Invalid("the token is for another audience"));
        }
        if claims
            .sub
            .as_ref()
            .is_some_and(|sub| sub.is_empty() || sub.len() > MAX_USER_BYTES)
        {
            return Err(Refusal::Invalid("`sub` must have 1 to 255 bytes"));
        }
        if claims
            .nbf
            .is_some_and(|nbf| nbf.ms() > now_ms.saturating_add(leeway_ms))
        {
            return Err(Refusal::Invalid("the token is not valid yet"));
        }
        match claims.exp {
            None if self.require_exp => Err(Refusal::Invalid("the token does not say when it ends")),
            None => Ok(None),
            Some(exp) => {
                let ends = exp.ms().saturating_add(leeway_ms);
                if now_ms < ends {
                    Ok(Some(ends))
                } else {
                    Err(Refusal::Expired)
                }
            }
        }
    }
}
