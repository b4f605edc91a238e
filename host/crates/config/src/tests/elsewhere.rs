//! Strings that stand elsewhere: where they are taken, what is wrong with them, and that their content is told nowhere.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::json;
use tempfile::TempDir;
use toml::{Table, Value};

use super::machine;
use super::shown::EVERYTHING;
use crate::{Config, ConfigReader, Problems};

/// A folder with a main file, a directory for tenants, and whatever strings are taken from.
struct Files {
    folder: TempDir,
    reader: ConfigReader,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tenants.d")).unwrap();
        let reader = ConfigReader::on(&folder.path().join("sg.toml"), machine());
        Self { folder, reader }
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&mut self, main: &str) -> Result<Config, Problems> {
        self.put("sg.toml", main);
        self.reader.read()
    }

    #[track_caller]
    fn good(&mut self, main: &str) -> Config {
        self.read(main).unwrap_or_else(|problems| panic!("{problems}\n{main}"))
    }

    /// What is said, with paths from the folder on.
    #[track_caller]
    fn said(&mut self, main: &str) -> Vec<String> {
        let problems = self.read(main).expect_err("problems");
        let folder = format!("{}/", self.folder.path().display());
        problems
            .iter()
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    }
}

/// The strings of a table that the config itself asks for, each with its path.
fn strings(value: &mut Value, path: &str, tell: &mut dyn FnMut(&str, &mut Value)) {
    match value {
        Value::String(_) => tell(path, value),
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .for_each(|(index, item)| strings(item, &format!("{path}[{index}]"), tell)),
        // Plugins' settings are the plugin's.
        Value::Table(table) => table
            .iter_mut()
            .filter(|(key, _)| *key != "config")
            .for_each(|(key, value)| strings(value, &format!("{path}.{key}"), tell)),
        _ => {}
    }
}

/// A line for each key, so that everything stays in its line.
fn lines(table: &Table) -> String {
    table.iter().fold(String::new(), |mut text, (key, value)| {
        writeln!(text, "{key} = {value}").expect("a string takes all");
        text
    })
}

fn everything() -> Table {
    toml::from_str(EVERYTHING).unwrap()
}

fn elsewhere(key: &str, text: &str) -> Value {
    Table::from_iter([(key.to_owned(), text.into())]).into()
}

/// All strings of the whole config, one after the other, with the config in which it stands elsewhere.
fn each_elsewhere(mut stand: impl FnMut(&str) -> Value, mut look: impl FnMut(&str, &str)) {
    let mut paths = Vec::new();
    strings(&mut everything().into(), "", &mut |path, _| paths.push(path.to_owned()));
    assert!(paths.len() > 60, "{}", paths.len());
    for wanted in &paths {
        let mut whole = Value::Table(everything());
        strings(&mut whole, "", &mut |path, value| {
            if path == wanted {
                *value = stand(value.as_str().unwrap());
            }
        });
        look(wanted, &lines(whole.as_table().unwrap()));
    }
}

#[test]
fn every_string_of_the_config_may_stand_in_a_file() {
    let mut files = Files::new();
    let path = files.path("string");
    let written = files.good(&lines(&everything()));
    each_elsewhere(
        |string| {
            fs::write(&path, format!("{string}\n")).unwrap();
            elsewhere("file", "string")
        },
        |at, text| {
            let config = files.good(text);
            assert_eq!(format!("{config:?}"), format!("{written:?}"), "{at}");
            assert_eq!(config.tenants, written.tenants, "{at}");
        },
    );
}

#[test]
fn a_wrong_string_from_elsewhere_is_told_without_its_content() {
    let mut files = Files::new();
    let mut refused = 0;
    each_elsewhere(
        |_| elsewhere("env", "SECRET"),
        |at, text| {
            let Err(problems) = files.read(text) else { return };
            refused += 1;
            let said = problems.to_string();
            // The path of a directory, and what tenants there are, is told wherever it stands.
            let is_public = [".server.tenants_dir", ".tenants[0].name"].contains(&at);
            assert!(is_public || !said.contains("hunter2"), "{at}: {said}");
            assert!(is_public || said.contains(at.trim_start_matches('.')), "{at}: {said}");
        },
    );
    assert!(refused > 25, "{refused}");
}

#[test]
fn what_cannot_be_taken_is_told_all_at_once() {
    let mut files = Files::new();
    files.put("empty", "");
    files.put("line", "\r\n");
    files.put("latin", b"hunter2\xfc");
    files.put("nul", b"hunter2\0");
    files.put("long", "hunter2".repeat(200_000));
    mkfifoat(CWD, files.path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let cases = [
        ("env = \"NOWHERE\"", "the variable \"NOWHERE\" is not set"),
        ("env = \"EMPTY\"", "the variable \"EMPTY\" is empty"),
        ("env = \"LATIN\"", "the variable \"LATIN\" is not UTF-8"),
        (
            "file = \"no/such\"",
            "the file no/such cannot be read: No such file or directory (os error 2)",
        ),
        ("file = \"empty\"", "the file empty is empty"),
        ("file = \"line\"", "the file line is empty"),
        ("file = \"latin\"", "the file latin is not UTF-8"),
        ("file = \"nul\"", "the file nul has a NUL"),
        (
            "file = \"long\"",
            "the file long cannot be read: it has more than 1048576 bytes",
        ),
        (
            "file = \"pipe\"",
            "the file pipe cannot be read: it is a pipe, not a regular file",
        ),
        (
            "file = \"tenants.d\"",
            "the file tenants.d cannot be read: it is a directory, not a regular file",
        ),
        (
            "file = \"/dev/zero\"",
            "the file /dev/zero cannot be read: it is a device, not a regular file",
        ),
    ];
    let mut main = "[[tenants]]\nname = \"a\"\nhosts = [\n".to_owned();
    let mut expected = Vec::new();
    for (index, (stands, reason)) in cases.iter().enumerate() {
        writeln!(main, "{{ {stands} }},").expect("a string takes all");
        expected.push(format!("sg.toml:{}: tenants[0].hosts[{index}]: {reason}", index + 4));
    }
    main.push(']');
    assert_eq!(files.said(&main), expected);
}

#[test]
fn what_is_no_such_table_is_no_string() {
    let mut files = Files::new();
    let hint = "one that stands elsewhere is { env = \"NAME\" } or { file = \"PATH\" }, and nothing beside it";
    for table in [
        "{}",
        "{ env = 1 }",
        "{ ENV = \"NAME\" }",
        "{ env = \"NAME\", file = \"a\" }",
    ] {
        let said = files.said(&format!("[[tenants]]\nname = {table}"));
        assert_eq!(
            said[0],
            format!("sg.toml:2: tenants[0].name: is a table and must be a string. {hint}")
        );
    }
    // Nor is a string what must be something else.
    let said = files.said("[server]\nshards = { env = \"NAME\" }\n[[tenants]]\nname = \"a\"");
    assert_eq!(said, ["sg.toml:2: server.shards: is a table and must be an integer"]);
}

#[test]
fn only_the_last_line_break_is_no_part_of_a_string() {
    let mut files = Files::new();
    for (content, node) in [("n", "n"), ("n\n", "n"), ("n\r\n", "n")] {
        files.put("node", content);
        let config = files.good("[server]\nnode = { file = \"node\" }\n[[tenants]]\nname = \"a\"");
        assert_eq!(&*config.server.node, node, "{content:?}");
    }
    files.put("password", "\n a\n\n");
    let config = files.good(
        "[backplane]\nkind = \"redis\"\nurl = \"redis+sentinel://a/b\"\nsentinel_password.file = \"password\"\n[[tenants]]\nname = \"a\"",
    );
    let crate::BackplaneKind::Redis(redis) = config.backplane else {
        panic!("{:?}", config.backplane)
    };
    assert_eq!(redis.sentinel_login.unwrap().password, "\n a\n");
}

/// A tenant's file whose plugin takes settings from elsewhere.
const TENANT: &str = r#"
    hosts = [{ file = "../host" }]
    [[chain]]
    plugin = "p"
    [chain.config]
    keys = [{ jwks = { file = "jwks.json" } }, { secret = { env = "SECRET" } }]
    any = { file = "jwks.json" }
    number = { env = "SECRET" }
"#;
const MAIN: &str = "server.tenants_dir = \"tenants.d\"\nplugins.p.file = \"p.wasm\"\n[[tenants]]\nname = \"main\"\n\
                    allowed_origins = [{ file = \"origin\" }]";

fn schema() -> serde_json::Value {
    json!({
        "properties": {
            "keys": { "items": { "$ref": "#/$defs/key" } },
            "any": {},
            "number": { "type": "integer" },
        },
        "$defs": { "key": { "properties": {
            "jwks": { "anyOf": [{ "type": ["string", "null"] }, { "properties": { "document": {} }, "required": ["document"] }] },
            "secret": { "type": "string" },
        } } },
    })
}

fn with_tenant() -> Files {
    let files = Files::new();
    files.put("tenants.d/a.toml", TENANT);
    files.put("tenants.d/jwks.json", "{}\n");
    files.put("host", "a.example");
    files.put("origin", "https://a.example");
    files
}

#[test]
fn plugins_are_given_strings_where_their_schema_asks_for_them() {
    let mut files = with_tenant();
    let config = files.good(MAIN);
    assert_eq!(config.tenants[1].hosts, ["a.example"]);
    let settings = &config.tenants[1].chain[0].settings;
    let given = settings.for_schema(Some(&schema())).unwrap();
    let expected = json!({
        "keys": [{ "jwks": "{}" }, { "secret": "hunter2" }],
        "any": { "file": "jwks.json" },
        "number": { "env": "SECRET" },
    });
    assert_eq!(given, expected);
    assert_eq!(settings.for_schema(None).unwrap(), *settings.written());
    assert_eq!(settings.text("/keys/1/secret"), Some(Ok("hunter2")));
    assert_eq!(settings.masked_in("no hunter2, please", None), "no ***, please");
    for (given, schema, said) in [
        (
            r#"{"secret":"hunter2","tokens":["hunter2"]}"#,
            None,
            r#"{"secret":"***","tokens":["***"]}"#,
        ),
        (
            r#"{"a":[{"b":"hunter2"}],"c":"seen"}"#,
            Some(json!({ "properties": { "a": { "writeOnly": true } } })),
            r#"{"a":[{"b":"***"}],"c":"seen"}"#,
        ),
        (
            r#"{"key":"a\"b\n\"","long":"a\"b"}"#,
            None,
            r#"{"key":"***","long":"a\"b"}"#,
        ),
        // Less would be in many words.
        (r#"{"password":"the"}"#, None, r#"{"password":"the"}"#),
    ] {
        let text = format!(
            "plugins.p.file = \"p\"\n[[tenants]]\nname = \"a\"\nchain = [{{ plugin = \"p\", config = {} }}]",
            given.replace("\":", "\" = ")
        );
        let settings = &files.good(&text).tenants[0].chain[0].settings;
        assert_eq!(settings.masked_in(given, schema.as_ref()), said);
    }
    assert!(!format!("{config:?}{settings:?}").contains("hunter2"));
}

#[test]
fn settings_that_cannot_be_taken_are_a_problem_only_if_a_string_is_asked_for() {
    let mut files = with_tenant();
    fs::remove_file(files.path("tenants.d/jwks.json")).unwrap();
    let config = files.good(MAIN);
    let settings = &config.tenants[1].chain[0].settings;
    let problems = settings.for_schema(Some(&schema())).unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let place = format!(
        "{}:6: chain[0].config.keys[0].jwks: ",
        files.path("tenants.d/a.toml").display()
    );
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with(&place) && said[0].ends_with("cannot be read: No such file or directory (os error 2)"),
        "{said:?}"
    );
    assert!(settings.for_schema(None).is_ok());
}

#[test]
fn files_are_taken_again_when_they_are_read_again() {
    let mut files = with_tenant();
    let first = files.good(MAIN);
    let again = files.good(MAIN);
    for index in [0, 1] {
        // Not even parsed again.
        assert!(Arc::ptr_eq(&first.tenants[index], &again.tenants[index]), "{index}");
    }
    files.put("origin", "https://b.example\n");
    let main = files.good(MAIN);
    assert!(main.tenants[0].allowed_origins.allows("https://b.example"));
    assert!(Arc::ptr_eq(&again.tenants[1], &main.tenants[1]));
    files.put("tenants.d/jwks.json", "{ }");
    let tenant = files.good(MAIN);
    assert!(Arc::ptr_eq(&main.tenants[0], &tenant.tenants[0]));
    assert_ne!(main.tenants[1], tenant.tenants[1]);
    // A line break more is the same string, and so the same tenant.
    files.put("tenants.d/jwks.json", "{ }\n");
    assert_eq!(files.good(MAIN).tenants[1], tenant.tenants[1]);
    // What is missing is looked for again.
    fs::remove_file(files.path("origin")).unwrap();
    let said = files.said(MAIN);
    assert!(said.len() == 1 && said[0].contains("No such file"), "{said:?}");
    fs::create_dir(files.path("origin")).unwrap();
    let said = files.said(MAIN);
    assert!(said.len() == 1 && said[0].contains("is a directory"), "{said:?}");
    fs::remove_dir(files.path("origin")).unwrap();
    files.put("origin", "https://a.example");
    files.good(MAIN);
}

#[test]
fn files_that_strings_are_taken_from_are_sources() {
    let mut files = with_tenant();
    files.good(MAIN);
    let taken = ["host", "origin", "tenants.d/jwks.json"].map(|name| files.path(name));
    let named: Vec<PathBuf> = files.reader.sources().taken;
    let named: Vec<PathBuf> = named.iter().map(|path| path.canonicalize().unwrap()).collect();
    for path in taken {
        assert!(
            named.contains(&path.canonicalize().unwrap()),
            "{}: {named:?}",
            path.display()
        );
    }
    assert_eq!(named.len(), 3);
}
