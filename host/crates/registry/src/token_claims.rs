//! What the accepted claims of a session say about the token that they came from, so that it can be revoked. Knows no
//! signature: whoever accepted the claims has checked it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

/// Bytes of a token's id at most. A longer one cannot be revoked by its id, only by its user.
pub const JTI_BYTES: usize = 255;
/// An `iat` that is further in the future tells nothing: nobody's clock is that wrong, and it would be after every revocation.
const FUTURE: Duration = Duration::from_hours(1);

/// The token of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenClaims {
    /// `jti`, of 1 to [`JTI_BYTES`] bytes.
    pub jti: Option<Arc<str>>,
    /// `iat`, in milliseconds since the Unix epoch. None if there is none that can be true.
    pub issued_ms: Option<u64>,
}

/// Of what a plugin accepted, which may be anything.
#[derive(Deserialize)]
struct RawClaims<'a> {
    #[serde(borrow)]
    jti: Option<&'a RawValue>,
    #[serde(borrow)]
    iat: Option<&'a RawValue>,
}

// === impl TokenClaims ===

impl TokenClaims {
    /// Reads a JSON object.
    pub fn of(claims: &str, now_ms: u64) -> Self {
        // Where a claim is there twice nobody knows which one is meant.
        let Ok(raw) = serde_json::from_str::<RawClaims<'_>>(claims) else {
            return Self::default();
        };
        let jti = raw
            .jti
            .and_then(|jti| serde_json::from_str::<Cow<'_, str>>(jti.get()).ok());
        let latest_ms = now_ms.saturating_add(u64::try_from(FUTURE.as_millis()).unwrap_or(u64::MAX));
        Self {
            jti: jti
                .filter(|jti| (1..=JTI_BYTES).contains(&jti.len()))
                .map(|jti| jti.as_ref().into()),
            issued_ms: raw.iat.and_then(issued_ms).filter(|issued| *issued <= latest_ms),
        }
    }

    /// When it was issued, as an argument of a script: in ms, or nothing.
    pub(super) fn issued_in_script(&self) -> String {
        self.issued_ms.map(|issued| issued.to_string()).unwrap_or_default()
    }

    /// Whether it was issued before this moment. One that does not say when it was counts as issued before.
    pub fn is_before(&self, moment_ms: u64) -> bool {
        self.issued_ms.is_none_or(|issued| issued < moment_ms)
    }
}

/// A `NumericDate` (RFC 7519, 2): seconds since the Unix epoch, also with a fraction.
fn issued_ms(iat: &RawValue) -> Option<u64> {
    let number: Number = serde_json::from_str(iat.get()).ok()?;
    if let Some(seconds) = number.as_u64() {
        return Some(seconds.saturating_mul(1_000));
    }
    let ms = number.as_f64()? * 1_000.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    Some(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn claims_are_read_as_tokens_have_them() {
        let long = format!(r#"{{"jti":"{}"}}"#, "x".repeat(JTI_BYTES + 1));
        let longest = format!(r#"{{"jti":"{}"}}"#, "x".repeat(JTI_BYTES));
        let x = "x".repeat(JTI_BYTES);
        for (claims, jti, issued_ms) in [
            ("{}", None, None),
            (
                r#"{"sub":"ann","jti":"a","iat":1700000000}"#,
                Some("a"),
                Some(1_700_000_000_000),
            ),
            (
                r#"{"jti":"\u0061\"","iat":1700000000.25}"#,
                Some("a\""),
                Some(1_700_000_000_250),
            ),
            (r#"{"iat":1.7e9}"#, None, Some(1_700_000_000_000)),
            (r#"{"iat":0}"#, None, Some(0)),
            (r#"{"iat":-5}"#, None, Some(0)),
            // No time, or one that cannot be.
            (r#"{"iat":"1700000000","jti":"a"}"#, Some("a"), None),
            (r#"{"iat":null,"jti":null}"#, None, None),
            (r#"{"iat":1700000000000}"#, None, None),
            (r#"{"iat":1e300}"#, None, None),
            (r#"{"iat":1800003601}"#, None, None),
            (r#"{"iat":1800003600}"#, None, Some(1_800_003_600_000)),
            // No id, or one that nobody can name.
            (r#"{"jti":17}"#, None, None),
            (r#"{"jti":""}"#, None, None),
            (r#"{"jti":["a"]}"#, None, None),
            (&long, None, None),
            (&longest, Some(&*x), None),
            (r#"{"jti":"a","jti":"b","iat":1}"#, None, None),
            ("[]", None, None),
            ("", None, None),
        ] {
            let expected = TokenClaims {
                jti: jti.map(Arc::from),
                issued_ms,
            };
            assert_eq!(TokenClaims::of(claims, NOW), expected, "{claims:.80}");
        }
    }

    #[test]
    fn a_token_is_before_a_moment_to_the_millisecond() {
        let issued = |issued_ms| TokenClaims { jti: None, issued_ms };
        for (issued_ms, is_before) in [
            (Some(999), true),
            (Some(1_000), false),
            (Some(1_001), false),
            (None, true),
        ] {
            assert_eq!(issued(issued_ms).is_before(1_000), is_before, "{issued_ms:?}");
        }
    }
}
