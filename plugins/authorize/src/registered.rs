//! The claims that RFC 7519 registers and this plugin looks at, read out of a token's JSON. An error names the claim
//! and what came: `aud[1] is not a string, but 7`. Knows no rule of what they must say.

use sluicegate_plugin::json::{self, JsonFault};
use sluicegate_plugin::limits::CLAIMS_DEPTH;

/// Claims of the right kind; `null` is the same as leaving a claim out.
#[derive(Debug, Default, PartialEq)]
pub struct Registered {
    /// Who it is.
    pub sub: Option<String>,
    /// Who made the token.
    pub iss: Option<String>,
    /// Whom it is for.
    pub aud: Vec<String>,
    /// When it ends, in milliseconds since the Unix epoch.
    pub exp_ms: Option<u64>,
    /// When it begins, in milliseconds since the Unix epoch.
    pub nbf_ms: Option<u64>,
}

/// The header of a token, as far as it is looked at.
#[derive(Debug, PartialEq)]
pub struct Header {
    /// The algorithm of the signature.
    pub alg: String,
    /// The name of the key.
    pub kid: Option<String>,
    /// Whether it asks for extensions that must be understood (RFC 7515, 4.1.11).
    pub has_extensions: bool,
}

impl Registered {
    /// Reads the claims of a token.
    ///
    /// # Errors
    /// Which claim is not what it must be.
    pub fn read(text: &str) -> Result<Self, String> {
        let [sub, iss, aud, exp, nbf] = members("the claims", text, ["sub", "iss", "aud", "exp", "nbf"])?;
        Ok(Self {
            sub: sub.string()?,
            iss: iss.string()?,
            aud: aud.strings()?,
            exp_ms: exp.date_ms()?,
            nbf_ms: nbf.date_ms()?,
        })
    }
}

impl Header {
    /// Reads the header of a token.
    ///
    /// # Errors
    /// Which part is not what it must be.
    pub fn read(text: &str) -> Result<Self, String> {
        let [alg, kid, crit] = members("the header", text, ["alg", "kid", "crit"])?;
        Ok(Self {
            alg: alg.string()?.ok_or("the header has no alg")?,
            kid: kid.string()?,
            has_extensions: crit.text.is_some(),
        })
    }
}

/// A member of an object as the text that was written; none if it is not there or `null`.
#[derive(Clone, Copy)]
struct Member<'t> {
    name: &'static str,
    text: Option<&'t str>,
}

/// `what` is the object, for errors.
fn members<'t, const N: usize>(what: &str, text: &'t str, names: [&'static str; N]) -> Result<[Member<'t>; N], String> {
    // By the broker's own rule, and on the text as the broker will get it: what passes here passes there.
    json::check_object(text, CLAIMS_DEPTH).map_err(|error| match error.fault {
        JsonFault::NoObject if !text.trim_ascii().starts_with('{') => {
            format!("{what} must be a JSON object, not {}", json::found(text))
        }
        _ => format!("{what} cannot be read: {error}"),
    })?;
    let open = text.find('{').unwrap_or_default();
    let mut members = names.map(|name| Member { name, text: None });
    for item in json::items(text, open).map_while(Result::ok) {
        let key = &text[item.key];
        if let Some(member) = members.iter_mut().find(|member| json::key_is(key, member.name))
            && member.text.replace(&text[item.value]).is_some()
        {
            return Err(format!("{} is given twice", member.name));
        }
    }
    Ok(members.map(|member| Member {
        text: member.text.filter(|text| *text != "null"),
        ..member
    }))
}

fn is_not(path: &str, wanted: &str, text: &str) -> String {
    format!("{path} is not {wanted}, but {}", json::found(text))
}

fn string(path: &str, text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inner = inner.ok_or_else(|| is_not(path, "a string", text))?;
    Ok(json::unescape(inner).into_owned())
}

impl Member<'_> {
    fn string(self) -> Result<Option<String>, String> {
        self.text.map(|text| string(self.name, text)).transpose()
    }

    /// One string, or a list of them.
    fn strings(self) -> Result<Vec<String>, String> {
        let Some(text) = self.text else { return Ok(Vec::new()) };
        if !text.starts_with(['"', '[']) {
            return Err(is_not(self.name, "a string or a list of strings", text));
        }
        if text.starts_with('"') {
            return Ok(vec![string(self.name, text)?]);
        }
        let items = json::items(text, 0).map_while(Result::ok).enumerate();
        items
            .map(|(index, item)| string(&format!("{}[{index}]", self.name), &text[item.value]))
            .collect()
    }

    /// Seconds since the epoch, perhaps with a fraction (RFC 7519, 2).
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates: before the epoch is 0, beyond the range is its end"
    )]
    fn date_ms(self) -> Result<Option<u64>, String> {
        let Some(text) = self.text else { return Ok(None) };
        let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let seconds = text.parse::<f64>().ok().filter(|_| is_number);
        let seconds = seconds.ok_or_else(|| is_not(self.name, "a number of seconds since 1970", text))?;
        Ok(Some((seconds * 1000.0) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON values of every kind.
    const VALUES: [(&str, &str); 9] = [
        ("true", "true"),
        ("\"text\"", "text"),
        ("7", "7"),
        ("1.5", "1.5"),
        ("-1", "-1"),
        ("18446744073709551616", "18446744073709551616"),
        ("[1]", "a list"),
        ("[]", "a list"),
        ("{}", "an object"),
    ];

    #[test]
    fn every_claim_says_what_it_must_be_and_what_came() {
        for (claim, wanted, kinds) in [
            ("sub", "a string", "\""),
            ("iss", "a string", "\""),
            ("aud", "a string or a list of strings", "\"["),
            ("exp", "a number of seconds since 1970", "-0123456789"),
            ("nbf", "a number of seconds since 1970", "-0123456789"),
        ] {
            for (value, came) in VALUES {
                let read = Registered::read(&format!("{{\"x\":1,\"{claim}\":{value}}}")).map(drop);
                let expected = if claim == "aud" && value == "[1]" {
                    Err("aud[0] is not a string, but 1".to_owned())
                } else if kinds.contains(&value[..1]) {
                    Ok(())
                } else {
                    Err(format!("{claim} is not {wanted}, but {came}"))
                };
                assert_eq!(read, expected, "{claim} {value}");
            }
            assert_eq!(
                Registered::read(&format!("{{\"{claim}\":null}}")),
                Ok(Registered::default())
            );
            let twice = format!("{{\"{claim}\":null,\"{claim}\":null}}");
            assert_eq!(Registered::read(&twice), Err(format!("{claim} is given twice")));
        }
    }

    #[test]
    fn a_list_names_the_place() {
        for (aud, error) in [
            ("[\"a\",7]", "aud[1] is not a string, but 7"),
            ("[\"a\",\"b\",null]", "aud[2] is not a string, but null"),
            ("[[\"a\"]]", "aud[0] is not a string, but a list"),
        ] {
            assert_eq!(Registered::read(&format!("{{\"aud\":{aud}}}")), Err(error.to_owned()));
        }
    }

    #[test]
    fn claims_are_an_object_that_the_broker_can_read() {
        for (text, error) in [
            ("[]", "the claims must be a JSON object, not a list"),
            ("\"ann\"", "the claims must be a JSON object, not text"),
            ("", "the claims must be a JSON object, not nothing"),
        ] {
            assert_eq!(Registered::read(text), Err(error.to_owned()));
        }
        for text in [
            "{",
            "\u{c}{}",
            "{\"a\":1e400}",
            "{\"a\":\"\\ud800\"}",
            "{} {}",
            &format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200)),
        ] {
            let error = Registered::read(text).unwrap_err();
            assert!(error.starts_with("the claims cannot be read: "), "{error}");
        }
    }

    #[test]
    fn the_header_is_read_like_the_claims() {
        for (text, error) in [
            ("{}", "the header has no alg"),
            ("{\"alg\":7}", "alg is not a string, but 7"),
            ("{\"alg\":\"HS256\",\"kid\":[]}", "kid is not a string, but a list"),
            ("7", "the header must be a JSON object, not 7"),
        ] {
            assert_eq!(Header::read(text), Err(error.to_owned()));
        }
        assert!(Header::read("{\"alg\":\"HS256\",\"crit\":[]}").unwrap().has_extensions);
    }

    #[test]
    fn text_is_read_with_its_escapes() {
        let read = Registered::read(r#" {"s\u0075b":"a\"n\u006e"} "#).unwrap();
        assert_eq!(read.sub.as_deref(), Some("a\"nn"));
    }
}
