//! Config texts: what every broker of a test needs, and a folder for the file and what it names.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{env, fs};

use tempfile::TempDir;
use toml::{Table, Value};

use super::process::workspace;
use super::{guests, token};

/// A folder with a config file, `plugins/` (the first-party ones) and `guests/` (compiled `.wat`).
pub(crate) struct Home {
    folder: TempDir,
}

fn plugins() -> PathBuf {
    env::var_os("SLUICEGATE_PLUGINS").map_or_else(|| workspace().join("target/plugins"), PathBuf::from)
}

impl Home {
    /// An empty folder for a config and the plugins that it will name.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        symlink(plugins(), folder.path().join("plugins")).expect("a link to the plugins");
        fs::create_dir(folder.path().join("guests")).expect("a folder for guests");
        Self { folder }
    }

    /// The path of a file in this folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The config file's path.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("sluicegate.toml")
    }

    /// Writes the config as it is, and compiles the guests that it names.
    pub(crate) fn write(&self, text: &str) {
        for name in guests::named_in(text) {
            let file = self.path(&format!("guests/{name}.wasm"));
            // A test may have put its own bytes there.
            if !file.exists() {
                fs::write(file, guests::compile(&name)).expect("the guest is written");
            }
        }
        fs::write(self.config(), text).expect("the config is written");
    }

    /// Puts a file beside the config, in one step: a broker never sees half of it.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let fresh = self.path("fresh");
        fs::write(&fresh, bytes).expect("the file is written");
        fs::rename(fresh, self.path(name)).expect("the file is put in place");
    }
}

/// The bytes of a first-party plugin, to break them.
pub(crate) fn plugin_bytes(name: &str) -> Vec<u8> {
    let path: &Path = &plugins().join(format!("{name}.wasm"));
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}; build the plugins first", path.display()))
}

/// Adds to `body` the settings that every broker of a test needs, unless `body` has them.
pub(crate) fn complete(body: &str) -> String {
    let mut table: Table = body
        .parse()
        .unwrap_or_else(|e| panic!("the test's config: {e}\n{body}"));
    let server = table
        .entry("server")
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .expect("server is a table");
    let fill: [(&str, Value); 5] = [
        ("listen", "127.0.0.1:0".into()),
        ("admin_listen", "127.0.0.1:0".into()),
        ("shards", 1.into()),
        ("node", "node-under-test".into()),
        ("drain_seconds", 1.into()),
    ];
    for (key, value) in fill {
        server.entry(key).or_insert(value);
    }
    table.to_string()
}

/// A tenant whose users bring tokens, and whose messages the abuse filter reads with these settings.
pub(crate) fn abuse_filter(settings: &str) -> String {
    format!(
        r#"
        server = {{ default_tenant = "t", shards = 2 }}
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [plugins.abuse]
        file = "plugins/abuse_filter.wasm"
        [[tenants]]
        name = "t"
        default = "allow"
        limits = {{ publish_per_second = 0 }}
        [[tenants.chain]]
        plugin = "authorize"
        hooks = ["connect"]
        deadline_ms = 1000
        config = {{ keys = [{{ alg = "HS256", secret = "{}" }}] }}
        [[tenants.chain]]
        plugin = "abuse"
        deadline_ms = 1000
        grants = ["kv", "limiter"]
        config = {{ {settings} }}
        "#,
        token::SECRET
    )
}
