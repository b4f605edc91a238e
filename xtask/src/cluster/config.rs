//! Three configs made of the demo's: another address and name each, and one Redis.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::workspace::Workspace;

const FILE: &str = "xtask/demo/sluicegate.toml";
/// The tenant of the demo.
pub(super) const TENANT: &str = "demo";

/// Where a node is.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub name: &'static str,
    pub listen: &'static str,
    pub admin: &'static str,
}

pub(super) const NODES: [Node; 3] = [
    Node {
        name: "node-1",
        listen: "127.0.0.1:8080",
        admin: "127.0.0.1:8081",
    },
    Node {
        name: "node-2",
        listen: "127.0.0.1:8090",
        admin: "127.0.0.1:8091",
    },
    Node {
        name: "node-3",
        listen: "127.0.0.1:8100",
        admin: "127.0.0.1:8101",
    },
];

/// Writes a config for each node into `folder`.
pub(super) fn write(workspace: &Workspace, folder: &Path, redis: SocketAddr) -> Result<Vec<PathBuf>> {
    let demo = fs::read_to_string(workspace.root.join(FILE)).context(FILE)?;
    let mut files = Vec::new();
    for node in NODES {
        let file = folder.join(format!("{}.toml", node.name));
        fs::write(&file, adapt(&demo, node, redis, &workspace.plugin_folder())?)
            .with_context(|| file.display().to_string())?;
        files.push(file);
    }
    Ok(files)
}

fn adapt(demo: &str, node: Node, redis: SocketAddr, plugins: &Path) -> Result<String> {
    let mut config: Table = demo.parse().context(FILE)?;
    let server = table(&mut config, "server")?;
    for (key, value) in [
        ("listen", node.listen),
        ("admin_listen", node.admin),
        ("node", node.name),
    ] {
        server.insert(key.to_owned(), value.into());
    }
    let backplane = table(&mut config, "backplane")?;
    backplane.insert("kind".to_owned(), "redis".into());
    backplane.insert("url".to_owned(), format!("redis://{redis}/0").into());
    for (_, plugin) in table(&mut config, "plugins")?.iter_mut() {
        let file = plugin.get("file").and_then(Value::as_str).map(Path::new);
        let name = file.and_then(Path::file_name).context("a plugin without a file")?;
        let file = plugins.join(name).display().to_string();
        plugin
            .as_table_mut()
            .context("a plugin is a table")?
            .insert("file".to_owned(), file.into());
    }
    // A page of one node may open a socket to another.
    let origins = NODES.iter().flat_map(|node| {
        let port = node.listen.rsplit(':').next().unwrap_or_default();
        ["127.0.0.1", "localhost"].map(|host| Value::from(format!("http://{host}:{port}")))
    });
    let tenants = config.get_mut("tenants").and_then(Value::as_array_mut);
    let tenant = tenants
        .and_then(|tenants| tenants.first_mut())
        .and_then(Value::as_table_mut);
    tenant
        .context("no tenant")?
        .insert("allowed_origins".to_owned(), Value::Array(origins.collect()));
    Ok(config.to_string())
}

fn table<'a>(config: &'a mut Table, key: &str) -> Result<&'a mut Table> {
    let value = config.get_mut(key).and_then(Value::as_table_mut);
    value.with_context(|| format!("{FILE}: no [{key}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_becomes_a_node() {
        let demo = include_str!("../../demo/sluicegate.toml");
        let redis = "127.0.0.1:7000".parse().unwrap();
        let text = adapt(demo, NODES[1], redis, Path::new("/built/plugins")).unwrap();
        let config: Table = text.parse().unwrap();
        assert_eq!(config["server"]["listen"].as_str(), Some("127.0.0.1:8090"));
        assert_eq!(config["server"]["node"].as_str(), Some("node-2"));
        assert_eq!(config["backplane"]["url"].as_str(), Some("redis://127.0.0.1:7000/0"));
        assert_eq!(
            config["plugins"]["authorize"]["file"].as_str(),
            Some("/built/plugins/authorize.wasm")
        );
        assert_eq!(config["tenants"][0]["name"].as_str(), Some(TENANT));
        let origins = config["tenants"][0]["allowed_origins"].as_array().unwrap();
        assert!(origins.contains(&"http://127.0.0.1:8090".into()), "{origins:?}");
        // The rules are the demo's.
        let demo: Table = demo.parse().unwrap();
        assert_eq!(config["tenants"][0]["chain"], demo["tenants"][0]["chain"]);
    }
}
