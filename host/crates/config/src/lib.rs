//! The config file: raw TOML with its lines, read into checked values with units. Opens no other file
//! and asks no plugin: what shows only when plugins are loaded is checked there. Of the chain it uses the names of
//! hooks and faults.

mod admin;
mod backplane;
mod chain;
mod channels;
mod descriptors;
mod host;
mod limits;
mod machine;
mod name;
mod origins;
mod plugins;
mod problem;
mod redis_url;
mod sandbox;
mod section;
mod server;
mod settings;
mod tenant;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

pub use admin::{Admin, AdminKey, Scope};
pub use backplane::{BackplaneKind, RedisSettings};
pub use chain::{Capability, ChainEntry};
pub use channels::{ChannelRule, ChannelSettings, History, Overflow};
pub use descriptors::Descriptors;
pub use host::canonical_host;
pub use limits::Limits;
pub use name::{NAME_RULE, is_name};
pub use origins::Origins;
pub use plugins::PluginFile;
pub use problem::{Place, Problem, Problems};
pub use redis_url::{RedisKind, RedisUrl};
pub use sandbox::SandboxLimits;
pub use server::Server;
pub use tenant::Tenant;

use machine::Machine;
use section::Source;

/// Bytes of a config file at most: a wrong path does not read a disk into memory.
const FILE_BYTES: u64 = 16 * 1_048_576;

/// A config in which everything was checked that can be without opening the plugins.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    pub server: Server,
    pub sandbox: SandboxLimits,
    /// What joins it to others.
    pub backplane: BackplaneKind,
    pub admin: Admin,
    /// The components, by name.
    pub plugins: Vec<PluginFile>,
    /// At least one.
    pub tenants: Vec<Arc<Tenant>>,
    /// What is not wrong, and likely not meant.
    pub warnings: Vec<Problem>,
}

/// Reads the file at `path`.
///
/// # Errors
/// Everything that is wrong with it, or why it cannot be read; of syntax errors only the first.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let cannot = |reason: String| Problems::from(Place::file(path).problem(reason));
    let bytes = regular_file::read(path, FILE_BYTES).map_err(|error| cannot(format!("cannot be read: {error}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        Problems::from(Place::file(path).at_line(line).problem("is not UTF-8"))
    })?;
    parse(path, text)
}

/// Reads `text` as if it stood in the file at `path`, which need not exist.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Config, Problems> {
    parse_on(path, text, &Machine::here())
}

fn parse_on(path: &Path, text: &str, machine: &Machine) -> Result<Config, Problems> {
    let source = Source::new(path.into(), text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let offset = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    // The first only: the others tend to be its consequences.
    if let Some(error) = errors.iter().min_by_key(|error| offset(error)) {
        // Its message alone: the whole shows the line, and that may hold a secret.
        return Err(source.place(offset(error)).problem(error.message()).into());
    }
    let mut config = read(&source, table.get_ref(), path, machine);
    let (problems, warnings) = source.into_problems_and_warnings();
    if problems.is_empty() {
        config.warnings = warnings;
        Ok(config)
    } else {
        Err(problems.into())
    }
}

fn read(source: &Source, table: &DeTable<'_>, path: &Path, machine: &Machine) -> Config {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut root = source.root(table);
    let plugins = plugins::read(&root.section("plugins"), base);
    let tenants = match root.value("tenants") {
        Some(value) => value.list(),
        None => Some(Vec::new()),
    };
    if tenants.as_ref().is_some_and(Vec::is_empty) {
        root.report(
            root.place
                .child("tenants")
                .problem("there is no tenant")
                .hint("add [[tenants]] with a name"),
        );
    }
    let tenants = tenant::read(&tenants.unwrap_or_default(), &plugins);
    let server = server::read(root.section("server"), base, machine, &tenants);
    let sandbox = sandbox::read(root.section("sandbox"));
    let backplane = backplane::read(root.section("backplane"));
    let admin = admin::read(root.section("admin"), base, &tenants);
    root.finish();
    Config {
        path: path.to_owned(),
        server,
        sandbox,
        backplane,
        admin,
        plugins,
        tenants,
        warnings: Vec::new(),
    }
}
