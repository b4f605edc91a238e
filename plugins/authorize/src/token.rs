//! From a token to an identity or a refusal. Knows keys by what they signed, and no channel.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sluicegate_plugin::limits::CLAIMS_BYTES;
use sluicegate_plugin::{Denial, Identity, check};

use crate::keys::Keys;
use crate::registered::{Header, Registered};

/// Longer than any token whose claims fit; not decoded.
const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// A time from here on, in the year 5138, was written in milliseconds.
const BEYOND_SECONDS_MS: u64 = 100_000_000_000 * 1000;

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read, or nobody we trust signed it; the text is for a person.
    Invalid(Cow<'static, str>),
    /// A key of ours signed it, and yet its times cannot be meant: whoever makes the tokens should know.
    Misissued(&'static str),
    /// It was good once.
    Expired,
}

impl Refusal {
    const fn invalid(why: &'static str) -> Self {
        Self::Invalid(Cow::Borrowed(why))
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Invalid(Cow::Owned(why))
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(why) => Self::new(4401, "invalid_token").message(why),
            Refusal::Misissued(why) => Self::new(4401, "invalid_token").message(why),
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
    /// How long a session lasts at most, if that is looked at.
    pub max_session_seconds: Option<u64>,
}

impl Verifier {
    /// Checks a token at the time `now_ms` (milliseconds since the epoch).
    ///
    /// # Errors
    /// [`Refusal`]: the signature is looked at before anything it covers.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Identity, Refusal> {
        // Files and command lines put a line break behind a token; base64url has no white space of its own.
        let payload = self.open(token.trim_ascii())?;
        let text = String::from_utf8(payload).map_err(|_| Refusal::invalid("the claims are not text"))?;
        if text.len() > CLAIMS_BYTES {
            return Err(Refusal::invalid("the claims are over 16 KiB"));
        }
        let claims = Registered::read(&text)?;
        let expires_ms = self.check(&claims, now_ms)?;
        Ok(Identity {
            user: claims.sub,
            claims: text,
            expires_ms,
        })
    }

    /// The claims' bytes, once a key is found that signed them.
    fn open(&self, token: &str) -> Result<Vec<u8>, Refusal> {
        const SHAPE: Refusal = Refusal::invalid("this is no signed JSON Web Token");
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::invalid("the token is too long"));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(SHAPE)?;
        let (header, payload) = message.split_once('.').ok_or(SHAPE)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| SHAPE)?;
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(|_| SHAPE)?;
        let header = String::from_utf8(header).map_err(|_| SHAPE)?;
        let header = Header::read(&header)?;
        if header.has_extensions {
            return Err(Refusal::invalid(
                "the token asks for extensions that are not known here",
            ));
        }
        if !self
            .keys
            .signed(&header.alg, header.kid.as_deref(), message.as_bytes(), &signature)
        {
            return Err(Refusal::invalid("no configured key signed this token"));
        }
        BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| SHAPE)
    }

    /// Returns when the session ends.
    fn check(&self, claims: &Registered, now_ms: u64) -> Result<Option<u64>, Refusal> {
        let leeway_ms = self.leeway_seconds * 1000;
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(Refusal::invalid("iss is not the issuer whose tokens are taken here"));
        }
        if let Some(name) = &self.audience
            && !claims.aud.contains(name)
        {
            return Err(Refusal::invalid("aud does not name the audience that is served here"));
        }
        if let Some(sub) = &claims.sub {
            check::check_user(sub).map_err(|wrong| format!("sub {wrong}"))?;
        }
        for (time_ms, why) in [
            (claims.exp_ms, "exp is in milliseconds: a token has seconds since 1970"),
            (claims.nbf_ms, "nbf is in milliseconds: a token has seconds since 1970"),
        ] {
            if time_ms.is_some_and(|time| time >= BEYOND_SECONDS_MS) {
                return Err(Refusal::Misissued(why));
            }
        }
        if claims.nbf_ms.is_some_and(|nbf| nbf > now_ms.saturating_add(leeway_ms)) {
            return Err(Refusal::invalid("nbf is in the future: the token is not valid yet"));
        }
        let latest = self
            .max_session_seconds
            .map(|seconds| now_ms.saturating_add(seconds * 1000));
        match claims.exp_ms {
            None if self.require_exp => Err(Refusal::invalid("exp is missing: the token does not say when it ends")),
            None => Ok(latest),
            Some(exp) => {
                let ends = exp.saturating_add(leeway_ms);
                if now_ms >= ends {
                    return Err(Refusal::Expired);
                }
                if latest.is_some_and(|latest| ends > latest.saturating_add(2 * leeway_ms)) {
                    return Err(Refusal::Misissued(
                        "exp is further off than max_session_seconds: the token is good for too long",
                    ));
                }
                Ok(Some(ends))
            }
        }
    }
}
