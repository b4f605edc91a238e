//! `sluicegate token`: a token for development.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value};

use crate::token::mint;
use config;

/// The longest time to live. A development token that lives longer would be a password.
const TTL_MAX: Duration = Duration::from_hours(24 * 3_650);

/// `sluicegate token`.
#[derive(Debug, Args)]
pub(super) struct Token {
    /// The config file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The tenant whose key signs
    #[arg(long)]
    tenant: String,
    /// Who the token is for: its `sub`
    #[arg(long)]
    user: String,
    /// More claims, as a JSON object. `sub`, `iat` and `exp` cannot be set here; `iss` and `aud` replace
    /// those that the plugin's settings ask for
    #[arg(long, value_name = "JSON", value_parser = parse_claims)]
    claims: Option<Map<String, Value>>,
    /// How long it is good: a number with s, m, h or d
    #[arg(long, default_value = "1h", value_parser = parse_ttl)]
    ttl: Duration,
}

/// Prints the token alone, so that a shell can take it as it is.
pub(super) fn run(args: &Token) -> anyhow::Result<ExitCode> {
    let config = config::load(&args.config)?;
    let tenant = config
        .tenants
        .iter()
        .find(|tenant| *tenant.name == *args.tenant)
        .with_context(|| {
            let names: Vec<_> = config.tenants.iter().map(|tenant| &*tenant.name).collect();
            format!(
                "no tenant is named {:?} in {}; there are: {}",
                args.tenant,
                args.config.display(),
                names.join(", ")
            )
        })?;
    let token = mint(tenant, &args.user, args.claims.as_ref(), args.ttl, SystemTime::now())?;
    writeln!(stdout(), "{token}")?;
    Ok(ExitCode::SUCCESS)
}

fn parse_claims(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) => Err("it is JSON and must be an object, like {\"role\":\"admin\"}".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// `30s`, `15m`, `1h`, `7d`: a whole number above 0 and one unit.
fn parse_ttl(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("write a whole number with a unit, like 30s, 15m, 1h or 7d".to_owned()),
    };
    // `parse` alone would accept a plus sign.
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number {
        return Err("write a whole number with a unit, like 30s, 15m, 1h or 7d".to_owned());
    }
    let ttl = digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(seconds))
        .map(Duration::from_secs);
    ttl.filter(|ttl| !ttl.is_zero() && *ttl <= TTL_MAX)
        .ok_or_else(|| "the range is 1s to 3650d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_has_a_unit() {
        let cases = [
            ("30s", 30),
            ("15m", 900),
            ("1h", 3_600),
            ("7d", 604_800),
            ("3650d", 315_360_000),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_ttl(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "1",
            "1 h",
            "+1h",
            "-1h",
            "1.5h",
            "1h30m",
            "1H",
            "1ü",
            "0s",
            "3651d",
            "99999999999999999999d",
        ] {
            assert!(parse_ttl(text).is_err(), "{text}");
        }
    }

    #[test]
    fn claims_are_an_object() {
        assert_eq!(parse_claims("{}"), Ok(Map::new()));
        assert_eq!(
            parse_claims("{\"role\":\"admin\"}").map(|claims| claims["role"].clone()),
            Ok("admin".into())
        );
        for text in ["", "{", "[]", "\"x\"", "null", "{} {}"] {
            assert!(parse_claims(text).is_err(), "{text}");
        }
    }
}
