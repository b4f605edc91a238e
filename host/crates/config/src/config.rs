//! The config as a whole.

use std::path::PathBuf;
use std::sync::Arc;

use super::admin::Admin;
use super::backplane::BackplaneKind;
use super::ceilings::Ceilings;
use super::plugins::PluginFile;
use super::problem::Problem;
use super::sandbox::SandboxLimits;
use super::server::Server;
use super::tenant::Tenant;

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
    /// What tenants that are pushed may not exceed.
    pub ceilings: Ceilings,
    /// Those of the file, then those of `server.tenants_dir`. Without such a directory at least one.
    pub tenants: Vec<Arc<Tenant>>,
    /// What is not wrong, and likely not meant.
    pub warnings: Vec<Problem>,
}
