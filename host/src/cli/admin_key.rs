//! `sluicegate admin-key`: a key for the admin API, and its lines for the config.

use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use sha2::{Digest, Sha256};
use sluicegate_contract::hex;

use config::{NAME_RULE, Scope, is_name};

/// Random bytes of a key. So many cannot be guessed, so the hash needs no salt and need not be slow.
const KEY_BYTES: usize = 32;
/// Every key begins with this, so that scanners for leaked secrets recognise it.
const PREFIX: &str = "sga_";

/// `sluicegate admin-key`.
#[derive(Debug, Args)]
pub(super) struct AdminKeyArgs {
    /// Whose key it is, for the audit log: 1 to 64 of a-z, A-Z, 0-9, _ and -
    #[arg(long, value_parser = parse_name)]
    name: String,
    /// What it is good for: publish, read, connections, ban, tenants
    #[arg(long, value_delimiter = ',', value_parser = parse_scope, default_value = "publish,read,connections,ban")]
    scopes: Vec<&'static str>,
    /// The tenants it is good for; all if left out
    #[arg(long, value_delimiter = ',', value_parser = parse_name)]
    tenants: Vec<String>,
}

/// Prints the key, which is not stored, and its lines for the config.
pub(super) fn run(args: &AdminKeyArgs) -> anyhow::Result<ExitCode> {
    let mut random = [0; KEY_BYTES];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    writeln!(
        stdout(),
        "# The key. It is shown this once; the config only has its hash.\n{key}\n"
    )?;
    writeln!(stdout(), "# For the config:\n{}", lines(args, &key))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(args: &AdminKeyArgs, key: &str) -> String {
    let hash = hex::encode(&Sha256::digest(key));
    let mut lines = format!(
        "[[admin.keys]]\nname = {:?}\nsha256 = \"{hash}\"\nscopes = {:?}",
        args.name, args.scopes
    );
    if !args.tenants.is_empty() {
        write!(lines, "\ntenants = {:?}", args.tenants).expect("a string takes all");
    }
    lines
}

fn parse_name(text: &str) -> Result<String, String> {
    if is_name(text) {
        Ok(text.to_owned())
    } else {
        Err(NAME_RULE.to_owned())
    }
}

fn parse_scope(text: &str) -> Result<&'static str, String> {
    let mut words = Scope::ALL.map(Scope::name).into_iter();
    words
        .find(|word| *word == text)
        .ok_or_else(|| "use publish, read, connections, ban or tenants".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_a_config() {
        let args = AdminKeyArgs {
            name: "ops".into(),
            scopes: vec!["publish", "ban"],
            tenants: vec!["acme".into()],
        };
        let text = format!("{}\n[[tenants]]\nname = \"acme\"\n", lines(&args, "abc"));
        let config = config::parse(std::path::Path::new("t.toml"), &text).unwrap();
        let key = &config.admin.keys[0];
        assert_eq!(
            (&*key.name, &key.scopes[..]),
            ("ops", &[Scope::Publish, Scope::Ban][..])
        );
        assert_eq!(key.tenants.as_deref(), Some(&["acme".into()][..]));
        // FIPS 180-2, appendix B.1.
        assert_eq!(key.sha256[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
