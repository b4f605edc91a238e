//! The config that is shown can be read again and is the same, has every key that the documentation has, and no secret.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use toml::{Table, Value};

use super::machine;
use crate::{Config, ConfigReader, Problems, SettingsShown};

pub(super) const EVERYTHING: &str = include_str!("everything.toml");
/// What the operator is told of all keys.
const REFERENCE: &str = include_str!("../../../../../docs/CONFIG.md");
const LEAST: &str = "[[tenants]]\nname = \"a\"\nchain = [{ plugin = \"p\" }]\nchannels = [{ match = \"*\", history = {} }]\n\
                     [plugins]\np = { file = \"p.wasm\" }\n[server.tls]\ncertificates = [{ cert = \"a\", key = \"b\" }]";

/// What stands before a tenant's part of a config.
const PART: &str = "plugins.authorize.file = \"a\"\nplugins.abuse_filter.file = \"b\"\nplugins.transform.file = \"c\"\n\
                    [[tenants]]\nname = \"a\"\n";

/// A folder with a config and a directory for tenants.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tenants.d")).unwrap();
        Self(folder)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Reads `text` as the main file, and shows it. No plugin has a schema.
    #[track_caller]
    fn show(&self, text: &str) -> (Config, String) {
        let shown = self.try_show(text);
        shown.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    fn try_show(&self, text: &str) -> Result<(Config, String), Problems> {
        let mut reader = ConfigReader::on(&self.path("sg.toml"), machine()).showing();
        let config = reader.parse(text)?;
        Ok((config, reader.shown(&|_| SettingsShown::By(None))))
    }
}

#[track_caller]
fn table(text: &str) -> Table {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// All of a config but plugins' settings, and where what stands.
fn outline(config: &Config) -> String {
    let text = format!("{config:?}");
    let mut rest = text.as_str();
    let mut outline = String::new();
    while let Some((before, after)) = rest.split_once("Place {") {
        outline.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    outline + rest
}

/// The repository's own configs, and those in its documents.
fn examples() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut examples = vec![("everything".to_owned(), EVERYTHING.to_owned())];
    for file in [
        "xtask/demo/sluicegate.toml",
        "xtask/src/bench/nodes/node.toml",
        "xtask/src/bench/sluicegate.toml",
        "xtask/src/test/api/sluicegate.toml",
    ] {
        examples.push((file.to_owned(), fs::read_to_string(root.join(file)).unwrap()));
    }
    let documents = fs::read_dir(root.join("docs")).unwrap();
    let documents = documents.map(|entry| entry.unwrap().path());
    for path in documents.chain([root.join("README.md")]) {
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).unwrap();
            let blocks = text.split("```toml\n").skip(1);
            let blocks = blocks.filter_map(|block| Some(block.split_once("```")?.0.to_owned()));
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            examples.extend(blocks.map(|block| (name.clone(), block)));
        }
    }
    examples
}

#[test]
fn what_is_shown_is_the_same_when_it_is_read_again() {
    let folder = Folder::new();
    let mut whole = Vec::new();
    for (name, text) in examples() {
        // Some of the documents' are parts of a file: of a tenant, or not of a config at all.
        let part = format!("{PART}{text}");
        let shown = [text, part].iter().find_map(|text| folder.try_show(text).ok());
        let Some((config, shown)) = shown else { continue };
        // Without its password it is no URL.
        if table(&shown)["backplane"]["url"] == Value::from("***") {
            continue;
        }
        let (again, shown_again) = folder.show(&shown);
        assert_eq!(outline(&config), outline(&again), "{name}\n{shown}");
        assert_eq!(table(&shown), table(&shown_again), "{name}");
        whole.push(name);
    }
    for name in ["everything", "xtask/demo/sluicegate.toml", "CONFIG.md", "TOKENS.md"] {
        assert!(whole.iter().any(|shown| shown == name), "{name}: {whole:?}");
    }
    assert!(whole.len() >= 14, "{whole:?}");
}

/// What the documentation says of a key.
struct Documented {
    /// Where it stands, such as `tenants[].limits.connections`.
    path: Vec<String>,
    /// Its default, if that is the same everywhere.
    default: Option<Value>,
}

/// What the type of a key begins with.
const KINDS: [&str; 7] = ["string", "list", "integer", "boolean", "number", "table", "date"];

/// Every key of every table of the documentation.
fn documented() -> Vec<Documented> {
    let mut keys = Vec::new();
    let mut tables: Vec<Vec<String>> = Vec::new();
    for line in REFERENCE.lines() {
        if line.starts_with('#') {
            let names = line.split('`').filter(|part| part.starts_with('['));
            let path = |name: &str| {
                let name = name.trim_matches(['[', ']']).replace("NAME", "authorize");
                name.split('.').map(str::to_owned).collect()
            };
            tables = names.map(path).collect();
            continue;
        }
        let Some(cells) = line.strip_prefix("| `") else {
            continue;
        };
        let cells: Vec<&str> = cells.split('|').collect();
        let [names, kind, default, ..] = cells[..] else {
            continue;
        };
        // Other tables of the page are not of keys.
        if !KINDS.iter().any(|known| kind.trim().starts_with(known)) {
            continue;
        }
        let names = format!("`{names}");
        let names = names.split('`').enumerate().filter(|(index, _)| index % 2 == 1);
        for (_, name) in names {
            for table in &tables {
                let steps = name.split('.').map(str::to_owned);
                let literal = default.trim().trim_matches('`');
                let literal = default.trim().starts_with('`').then(|| format!("v = {literal}"));
                keys.push(Documented {
                    path: table.iter().cloned().chain(steps).collect(),
                    default: literal.and_then(|line| toml::from_str::<Table>(&line).ok()?.remove("v")),
                });
            }
        }
    }
    keys
}

/// What stands at a path; of lists in the first table that has it.
fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    let Some((first, rest)) = path.split_first() else {
        return Some(value);
    };
    match value {
        Value::Table(table) => at(table.get(first)?, rest),
        Value::Array(items) => items.iter().find_map(|item| at(item, path)),
        _ => None,
    }
}

#[test]
fn every_documented_key_is_shown_and_what_is_left_out_is_the_documented_default() {
    let folder = Folder::new();
    let everything = Value::Table(table(&folder.show(EVERYTHING).1));
    let least = Value::Table(table(&folder.show(LEAST).1));
    let documented = documented();
    assert!(documented.len() > 95, "the tables were not read: {}", documented.len());
    let mut defaults = 0;
    for Documented { path, default } in documented {
        let key = path.join(".");
        // Only clients of the admin listener show certificates.
        if key == "server.tls.client_ca" {
            continue;
        }
        let written = at(&everything, &path);
        assert!(
            written.is_some(),
            "{key} is not shown; tests/everything.toml has every key"
        );
        let is_there = !key.starts_with("admin.keys.") && !key.starts_with("server.admin_tls.");
        if let Some(default) = default.filter(|_| is_there) {
            assert_eq!(at(&least, &path), Some(&default), "{key} in\n{least}");
            assert_ne!(written, Some(&default), "{key}: tests/everything.toml has its default");
            defaults += 1;
        }
    }
    assert!(defaults > 65, "{defaults}");
}

#[test]
fn what_the_broker_chooses_is_left_out_or_shown_as_it_chose() {
    let least = table(&Folder::new().show(LEAST).1);
    let server = least["server"].as_table().unwrap();
    assert!(!server.contains_key("node"), "it is drawn at each start");
    assert_eq!(server["max_connections"], Value::Integer(18_000));
    assert_eq!(server["plugin_cache"], Value::from("/cache/sluicegate"));
}

#[test]
fn no_secret_is_shown_and_all_else_is() {
    let folder = Folder::new();
    let shown = folder.show(EVERYTHING).1;
    let hidden = EVERYTHING.replace("hunter2", "***");
    let (shown, hidden) = (table(&shown), table(&hidden));
    for name in ["sandbox", "backplane", "admin", "plugins"] {
        let (shown, hidden) = (shown[name].as_table().unwrap(), hidden[name].as_table().unwrap());
        for (key, value) in hidden {
            assert_eq!(shown.get(key), Some(value), "{name}.{key}");
        }
    }
    let settings = |config: &Table| config["tenants"][0]["chain"][0]["config"].clone();
    assert_eq!(settings(&shown), settings(&hidden));
    let url = "[backplane]\nurl = \"redis://ann:hunter2@db\"\n";
    let shown = folder.show(&format!("{url}{LEAST}")).1;
    assert_eq!(table(&shown)["backplane"]["url"], Value::from("***"));
}

#[test]
fn strings_that_stand_elsewhere_are_masked_wherever_they_are_taken() {
    let folder = Folder::new();
    folder.put("secret.txt", "hunter2\n");
    folder.put("name.txt", "ann\n");
    let text = r#"
        [server]
        listen = [{ env = "LISTEN" }, { address = "unix:a" }]
        default_tenant = { env = "NAME" }
        [backplane]
        url = "redis+sentinel://a/main"
        sentinel_user = { file = "name.txt" }
        sentinel_password = { env = "SECRET" }
        [plugins.p]
        file = { file = "name.txt" }
        [[tenants]]
        name = { env = "NAME" }
        default = { env = "WORD" }
        [[tenants.chain]]
        plugin = "p"
        on_fault = { connect = { env = "WORD" } }
        [tenants.chain.config]
        secret = { env = "SECRET" }
        plain = { env = "SECRET" }
        other = { file = "secret.txt" }
        set = { file = "no.txt" }
    "#;
    let schema = json!({ "properties": {
        "plain": { "type": "string" }, "other": { "type": "string" }, "set": { "additionalProperties": true },
    } });
    let mut reader = ConfigReader::on(&folder.path("sg.toml"), machine()).showing();
    reader.parse(text).unwrap_or_else(|problems| panic!("{problems}"));
    let shown = reader.shown(&|_| SettingsShown::By(Some(&schema)));
    assert!(!shown.contains("hunter2") && !shown.contains("7000"), "{shown}");
    let shown = Value::Table(table(&shown));
    for path in [
        "server.listen",
        "server.default_tenant",
        "backplane.sentinel_user",
        "backplane.sentinel_password",
        "plugins.p.file",
        "tenants.name",
        "tenants.default",
        "tenants.chain.on_fault.connect",
        "tenants.chain.config.secret.env",
        "tenants.chain.config.plain",
        "tenants.chain.config.other",
    ] {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let found = at(&shown, &path);
        let found = found.map(|found| found.as_array().map_or(found, |items| &items[0]));
        assert_eq!(found, Some(&Value::from("***")), "{path:?}");
    }
    // That is a table for the plugin.
    assert_eq!(
        shown["tenants"][0]["chain"][0]["config"]["set"]["file"],
        Value::from("no.txt")
    );
}

#[test]
fn nothing_is_shown_of_settings_that_nobody_knows() {
    let folder = Folder::new();
    let text = r#"
        plugins.p.file = "p.wasm"
        [[tenants]]
        name = "b"
        chain = [{ plugin = "p", config = { a = "hunter2", b = [1, "hunter2"] } }]
    "#;
    let mut reader = ConfigReader::on(&folder.path("sg.toml"), machine()).showing();
    reader.parse(text).unwrap_or_else(|problems| panic!("{problems}"));
    let shown = reader.shown(&|_| SettingsShown::Masked("it has\nno head".to_owned()));
    let said = "# the strings in the settings of the plugin \"p\" are not shown: it has\\nno head\n";
    assert!(shown.contains(said) && !shown.contains("hunter2"), "{shown}");
    let settings = table("a = \"***\"\nb = [1, \"***\"]");
    assert_eq!(
        table(&shown)["tenants"][0]["chain"][0]["config"],
        Value::Table(settings)
    );
}

#[test]
fn tenants_that_have_a_file_are_shown_once() {
    let folder = Folder::new();
    folder.put("tenants.d/b.toml", "hosts = [\"b.example\"]");
    let main = "[server]\ntenants_dir = \"tenants.d\"\n[[tenants]]\nname = \"a\"";
    let (config, shown) = folder.show(main);
    assert!(shown.contains("tenants.d/b.toml\n[[tenants]]"), "{shown}");
    let (again, _) = folder.show(&shown);
    assert_eq!(config.tenants, again.tenants);
    assert_eq!(again.server.tenants_dir, None);
}
