//! The config as operators write it: what it means, and what is said of one that is wrong.

mod accepts;
mod elsewhere;
mod public;
mod pushed;
mod refuses;
mod shown;
mod syntax;
mod tenant_files;
mod watch;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::machine::Machine;
use super::{Config, ConfigReader};

/// A machine that every test knows.
fn machine() -> Machine {
    Machine {
        cores: 4,
        open_files: 20_000,
        plugin_cache: Some("/cache/sluicegate".into()),
        node: "node-random".into(),
        variable,
    }
}

/// The variables that every test knows.
fn variable(name: &str) -> Option<OsString> {
    let value = match name {
        "LISTEN" => "127.0.0.1:7000".into(),
        "WORD" => "allow".into(),
        "NAME" => "from-env".into(),
        "SECRET" => "hunter2".into(),
        "EMPTY" => "".into(),
        "LATIN" => OsString::from_vec(vec![b'm', 0xfc]),
        _ => return None,
    };
    Some(value)
}

fn read(text: &str) -> Result<Config, super::Problems> {
    ConfigReader::on(Path::new("conf/sg.toml"), machine()).parse(text)
}

/// The config that `text` means.
#[track_caller]
fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is said of `text`, one line each.
#[track_caller]
fn bad(text: &str) -> Vec<String> {
    let problems = read(text).expect_err("a config with problems");
    problems.iter().map(ToString::to_string).collect()
}
