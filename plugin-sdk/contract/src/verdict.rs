//! What a user, claims and a denial must be. The broker refuses a verdict that is not so as a fault; a plugin that lets
//! clients choose such values asks here first, and refuses the client instead.

use alloc::format;
use alloc::string::String;

use crate::codes;
use crate::json;
use crate::limits::{CLAIMS_BYTES, CLAIMS_DEPTH, DENIAL_MESSAGE_BYTES, DENIAL_REASON_BYTES, USER_BYTES};

/// Checks a user's id.
///
/// # Errors
/// What it must be, to stand behind the name of the thing: `must have 1 to 255 bytes, not 0`.
pub fn check_user(user: &str) -> Result<(), String> {
    let found = user.len();
    if !(1..=USER_BYTES).contains(&found) {
        return Err(format!("must have 1 to {USER_BYTES} bytes, not {found}"));
    }
    if user.chars().any(char::is_control) {
        return Err("may hold no control character".into());
    }
    Ok(())
}

/// Checks the claims of an identity, a JSON object. Empty text stands for `{}`.
///
/// # Errors
/// What they must be, to stand behind `claims`.
pub fn check_claims(claims: &str) -> Result<(), String> {
    if claims.len() > CLAIMS_BYTES {
        return Err(format!("have at most {CLAIMS_BYTES} bytes, not {}", claims.len()));
    }
    if claims.is_empty() {
        return Ok(());
    }
    json::check_object(claims, CLAIMS_DEPTH)
        .map_err(|error| format!("are a JSON object that any reader takes: {error}"))
}

/// Checks a denial; `disconnects` says whether its penalty is to close the connection.
///
/// # Errors
/// What is wrong with it.
pub fn check_denial(code: u16, reason: &str, message: Option<&str>, disconnects: bool) -> Result<(), String> {
    if !codes::is_denial(code, disconnects) {
        return Err(format!("the denial code {code}, which a plugin may not use so"));
    }
    if !codes::is_reason(reason) {
        let shown: String = reason.chars().take(DENIAL_REASON_BYTES).collect();
        return Err(format!(
            "a denial whose reason is no snake_case_word of 1 to {DENIAL_REASON_BYTES} bytes: {shown:?}"
        ));
    }
    if message.is_some_and(|message| message.len() > DENIAL_MESSAGE_BYTES || message.chars().any(char::is_control)) {
        return Err(format!(
            "a denial's message has at most {DENIAL_MESSAGE_BYTES} bytes and no control characters"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_a_length_and_no_control_characters() {
        for user in ["a", "ann smith", "é*{user}:\u{202e}", &"x".repeat(255)] {
            assert_eq!(check_user(user), Ok(()), "{user}");
        }
        for user in ["", &"x".repeat(256), "a\nb", "\0", "a\u{7f}", "\u{85}"] {
            assert!(check_user(user).is_err(), "{user:?}");
        }
    }

    #[test]
    fn claims_are_an_object_within_bounds() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        for claims in ["", "{}", &nested(126)] {
            assert_eq!(check_claims(claims), Ok(()), "{claims}");
        }
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(CLAIMS_BYTES));
        for claims in [
            " ",
            "[]",
            "{",
            "{\"a\":1e400}",
            "{\"a\":\"\\ud800\"}",
            &nested(127),
            &long,
        ] {
            assert!(check_claims(claims).is_err(), "{claims}");
        }
    }

    #[test]
    fn denials_have_a_code_a_reason_and_perhaps_a_message() {
        assert_eq!(check_denial(4403, "no", None, false), Ok(()));
        assert_eq!(check_denial(4300, "later", Some("é\u{a0}"), true), Ok(()));
        let long = "x".repeat(257);
        for (code, reason, message) in [
            (4503, "no", None),
            (4300, "no", None),
            (4403, "No", None),
            (4403, "no", Some("a\nb")),
            (4403, "no", Some(&*long)),
        ] {
            assert!(check_denial(code, reason, message, false).is_err());
        }
    }
}
