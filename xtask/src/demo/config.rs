//! What the demo needs of its configuration file before the broker reads it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

const FILE: &str = "xtask/demo/sluicegate.toml";
/// How the file reaches `target/plugins`, from where it lies.
const PLUGINS: &str = "../../target/plugins/";

#[derive(Debug)]
pub(super) struct Config {
    pub file: PathBuf,
    pub tenant: String,
    /// Every address that the broker will bind.
    pub addresses: Vec<String>,
}

impl Config {
    pub(super) fn load(workspace: &Workspace) -> Result<Self> {
        let mut file = workspace.root.join(FILE);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let mut config = Self::parse(&text)?;
        // With another target directory the plugins are elsewhere, so the broker gets a copy with their paths.
        if workspace.target != workspace.root.join("target") {
            let folder = workspace.plugin_folder();
            fs::create_dir_all(&workspace.target)?;
            file = workspace.target.join("demo.toml");
            fs::write(&file, text.replace(PLUGINS, &format!("{}/", folder.display())))?;
        }
        config.file = file;
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse().context(FILE)?;
        let server = table
            .get("server")
            .and_then(|server| server.as_table())
            .with_context(|| format!("{FILE}: no [server]"))?;
        let word = |key: &str| server.get(key).and_then(|value| value.as_str());
        let addresses = ["listen", "admin_listen"]
            .into_iter()
            .filter_map(word)
            .filter(|address| !address.is_empty());
        Ok(Self {
            file: PathBuf::new(),
            tenant: word("default_tenant")
                .with_context(|| format!("{FILE}: no server.default_tenant"))?
                .to_owned(),
            addresses: addresses.map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_tenant_are_read() {
        let config =
            Config::parse("[server]\nlisten = \"127.0.0.1:8080\"\nadmin_listen = \"\"\ndefault_tenant = \"demo\"\n")
                .unwrap();
        assert_eq!(config.addresses, ["127.0.0.1:8080"]);
        assert_eq!(config.tenant, "demo");
    }

    #[test]
    fn the_committed_file_is_read_and_finds_its_plugins() {
        let text = include_str!("../../demo/sluicegate.toml");
        let config = Config::parse(text).unwrap();
        assert_eq!(config.addresses.len(), 2);
        assert_eq!(text.matches(PLUGINS).count(), 3);
    }

    #[test]
    fn a_missing_tenant_is_named() {
        let problem = Config::parse("[server]\nlisten = \":0\"").unwrap_err().to_string();
        assert!(problem.contains("default_tenant"), "{problem}");
    }
}
