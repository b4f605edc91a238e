//! The config file and the tenants' files: raw TOML with its lines, read into checked values with units. Opens no plugin:
//! what shows only when plugins are loaded is checked there. Of the chain it uses the names of hooks and faults.

mod address;
mod admin;
mod backplane;
mod capability;
mod ceilings;
mod chain;
mod channels;
mod claims;
mod config;
mod defaults;
mod descriptors;
mod door;
mod elsewhere;
mod host;
mod host_pattern;
mod instant;
mod limits;
mod listeners;
mod machine;
mod mask;
mod name;
mod nearest;
mod node_share;
mod number;
mod open_pages;
mod origins;
mod plugins;
mod problem;
mod proxies;
mod pushed;
mod ranges;
mod reader;
mod redis_url;
mod references;
mod sandbox;
mod schema;
mod secrets;
mod section;
mod server;
mod settings;
mod shown;
mod source;
mod tenant;
mod tenant_files;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod utf8;
mod watch;

use std::path::Path;

pub use admin::{Admin, AdminKey, Scope};
pub use backplane::{BackplaneKind, RedisSettings, RedisTls, SentinelLogin};
pub use capability::Capability;
pub use ceilings::Ceilings;
pub use chain::ChainEntry;
pub use channels::{ChannelRule, ChannelSettings, History, Overflow};
pub use claims::TakenNames;
pub use config::Config;
pub use descriptors::Descriptors;
pub use door::DoorSettings;
pub use host::canonical_host;
pub use host_pattern::HostPattern;
pub use limits::Limits;
pub use listeners::{ListenAddress, ListenerSettings};
pub use name::{NAME_RULE, is_name};
pub use node_share::NodeShare;
pub use open_pages::OpenPages;
pub use origins::Origins;
pub use plugins::PluginFile;
pub use problem::{Place, Problem, Problems, for_log};
pub use proxies::Proxies;
pub use pushed::{PushRules, check_pushed};
pub use reader::ConfigReader;
pub use redis_url::{RedisKind, RedisUrl};
pub use sandbox::SandboxLimits;
pub use secrets::{SettingsSchemaOf, masked};
pub use server::Server;
pub use settings::Settings;
pub use shown::{SettingsOf, SettingsShown};
pub use tenant::Tenant;
pub use tls::{CertificateFiles, TlsSettings};
pub use watch::{ConfigSources, ConfigWatch};

/// Reads the file at `path`, and what it names.
///
/// # Errors
/// Everything that is wrong with it, or why it cannot be read; of a file with syntax errors only the first of those.
pub fn load(path: &Path) -> Result<Config, Problems> {
    ConfigReader::new(path).read()
}

/// Reads `text` as if it stood in the file at `path`, which need not exist.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Config, Problems> {
    ConfigReader::new(path).parse(text)
}
