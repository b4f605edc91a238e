//! A file for each tenant: what is read, what is not, and what is said of files that are wrong.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::machine;
use crate::{Config, ConfigReader, Problems};

/// A main file beside a directory with tenants' files.
struct Files {
    folder: TempDir,
    reader: ConfigReader,
}

impl Files {
    /// The main file's text, after what names the directory.
    fn new(main: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tenants.d")).unwrap();
        fs::write(
            folder.path().join("sg.toml"),
            format!("server.tenants_dir = \"tenants.d\"\n{main}"),
        )
        .unwrap();
        let reader = ConfigReader::on(&folder.path().join("sg.toml"), machine());
        Self { folder, reader }
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("tenants.d").join(name)
    }

    fn read(&mut self) -> Result<Config, Problems> {
        self.reader.read()
    }

    #[track_caller]
    fn names(&mut self) -> Vec<String> {
        let config = self.read().unwrap_or_else(|problems| panic!("{problems}"));
        config.tenants.iter().map(|tenant| tenant.name.to_string()).collect()
    }

    /// What is said, with paths from the folder on.
    #[track_caller]
    fn said(&mut self) -> Vec<String> {
        let problems = self.read().expect_err("problems");
        let folder = format!("{}/", self.folder.path().display());
        problems
            .iter()
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    }
}

#[test]
fn each_file_is_a_tenant_beside_those_of_the_main_file() {
    let mut files = Files::new("[[tenants]]\nname = \"main\"");
    files.put("b.toml", "name = \"b\"\nhosts = [\"B.example\"]");
    files.put("a.toml", "");
    assert_eq!(files.names(), ["main", "a", "b"]);
    assert_eq!(files.read().unwrap().tenants[2].hosts, ["b.example"]);
}

#[test]
fn a_directory_may_be_empty_and_so_may_the_main_file() {
    assert!(Files::new("").names().is_empty());
}

#[test]
fn what_is_no_tenants_file_is_not_looked_at() {
    let mut files = Files::new("");
    files.put("a.toml", "");
    for name in [
        ".b.toml",
        "b.toml~",
        "b.toml.tmp",
        ".b.toml.swp",
        "#b.toml#",
        "4913",
        "README.md",
    ] {
        files.put(name, "= broken");
    }
    fs::create_dir(files.path("old")).unwrap();
    fs::write(files.path("old/b.toml"), "= broken").unwrap();
    assert_eq!(files.names(), ["a"]);
}

/// As a Kubernetes `ConfigMap` is mounted: files are links to a directory that is swapped as a whole.
#[test]
fn a_link_within_the_directory_is_a_file() {
    let mut files = Files::new("");
    fs::create_dir(files.path("..2026")).unwrap();
    fs::write(files.path("..2026/a.toml"), "").unwrap();
    symlink("..2026", files.path("..data")).unwrap();
    symlink("..data/a.toml", files.path("a.toml")).unwrap();
    assert_eq!(files.names(), ["a"]);
}

/// Puts something bad into a directory.
type Spoil = fn(&Files);

#[test]
fn a_bad_file_is_told_with_its_place() {
    let cases: [(&str, Spoil, &[&str]); 12] = [
        (
            "half-written",
            |files| files.put("b.toml", "hosts = [\"b.exa"),
            &["tenants.d/b.toml:1: unclosed array, expected `]`"],
        ),
        (
            "a typo",
            |files| files.put("b.toml", "\n[limit]\nconnections = 1"),
            &["tenants.d/b.toml:2: limit: is not a known key. the nearest known key is `limits`"],
        ),
        (
            "several, in several files",
            |files| {
                files.put("b.toml", "anonymous = 1\nweight = 0");
                files.put("c.toml", "hosts = [1]");
            },
            &[
                "tenants.d/b.toml:1: anonymous: is an integer and must be true or false",
                "tenants.d/b.toml:2: weight: 0 is out of range. the range is 1 to 100 times the share of a tenant with weight 1",
                "tenants.d/c.toml:1: hosts[0]: is an integer and must be a string",
            ],
        ),
        (
            "a name that does not fit its content",
            |files| files.put("b.toml", "\nname = \"c\""),
            &[
                "tenants.d/b.toml:2: name: is \"c\", where the name is \"b\" already. leave the key out, or write the same name",
            ],
        ),
        (
            "a file that cannot be a tenant's",
            |files| files.put("a b.toml", ""),
            &[
                "tenants.d/a b.toml: the file's name is not that of a tenant. for NAME.toml, use 1 to 64 of a-z, A-Z, 0-9, _ and -",
            ],
        ),
        (
            "a name in another case",
            |files| files.put("Main.toml", ""),
            &[
                "tenants.d/Main.toml:1: the tenant \"Main\" is there twice, as \"main\" too, and case does not tell them \
                 apart. the first one is tenants[0].name in line 3 of sg.toml",
            ],
        ),
        (
            "a host in another case",
            |files| files.put("b.toml", "hosts = [\"x\", \"MAIN.example\"]"),
            &[
                "tenants.d/b.toml:1: hosts[1]: the host \"main.example\" is there twice. the first one is \
                 tenants[0].hosts[0] in line 4 of sg.toml",
            ],
        ),
        (
            "a link outside",
            |files| {
                fs::write(files.folder.path().join("secret.toml"), "").unwrap();
                symlink("../secret.toml", files.path("b.toml")).unwrap();
            },
            &["tenants.d/b.toml: is a link that leads out of the directory"],
        ),
        (
            "a link to nothing",
            |files| symlink("gone.toml", files.path("b.toml")).unwrap(),
            &["tenants.d/b.toml: cannot be read: No such file or directory (os error 2)"],
        ),
        (
            "not a file",
            |files| fs::create_dir(files.path("b.toml")).unwrap(),
            &["tenants.d/b.toml: cannot be read: it is a directory, not a regular file"],
        ),
        (
            "a huge file",
            |files| {
                let file = fs::File::create(files.path("b.toml")).unwrap();
                file.set_len(1_048_577).unwrap();
            },
            &["tenants.d/b.toml: cannot be read: it has more than 1048576 bytes"],
        ),
        (
            "not text",
            |files| fs::write(files.path("b.toml"), b"# fine\n\xff").unwrap(),
            &["tenants.d/b.toml:2: is not UTF-8"],
        ),
    ];
    for (what, spoil, expected) in cases {
        let mut files = Files::new("[[tenants]]\nname = \"main\"\nhosts = [\"main.example\"]");
        files.put("a.toml", "");
        spoil(&files);
        assert_eq!(files.said(), expected, "{what}");
    }
}

#[test]
fn ten_thousand_channel_rules_are_too_many() {
    let mut files = Files::new("");
    files.put("a.toml", &"[[channels]]\nmatch = \"a\"\n".repeat(10_000));
    let expected = "tenants.d/a.toml:2001: channels[1000]: is one too many. there are at most 1000";
    assert_eq!(files.said(), [expected]);
}

#[test]
fn two_files_of_one_name_in_two_cases_are_told_at_the_second() {
    let mut files = Files::new("");
    files.put("A.toml", "");
    files.put("a.toml", "");
    assert_eq!(
        files.said(),
        [
            "tenants.d/a.toml:1: the tenant \"a\" is there twice, as \"A\" too, and case does not tell them apart. \
             the first one is in line 1 of tenants.d/A.toml"
        ]
    );
}

#[test]
fn a_directory_that_is_not_there_is_a_problem_of_the_main_file() {
    let mut files = Files::new("");
    fs::remove_dir(files.folder.path().join("tenants.d")).unwrap();
    let expected =
        "sg.toml:1: server.tenants_dir: the directory tenants.d cannot be read: No such file or directory (os error 2)";
    assert_eq!(files.said(), [expected]);
}

#[test]
fn the_default_tenant_may_have_a_file_and_a_key_may_name_one_that_is_gone() {
    let key = format!(
        "[[admin.keys]]\nname = \"k\"\nsha256 = \"{}\"\nscopes = [\"read\"]\ntenants = [\"a\", \"gone\"]",
        "0".repeat(64)
    );
    let mut files = Files::new(&format!("server.default_tenant = \"a\"\n{key}"));
    files.put("a.toml", "");
    let config = files.read().unwrap();
    assert_eq!(config.server.default_tenant.as_deref(), Some("a"));
    let warned = config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        warned.len() == 1 && warned[0].contains("admin.keys[0].tenants[1]: no tenant is named \"gone\""),
        "{warned:?}"
    );
    fs::remove_file(files.path("a.toml")).unwrap();
    assert_eq!(
        files.said(),
        ["sg.toml:2: server.default_tenant: no tenant is named \"a\""]
    );
}

#[test]
fn what_did_not_change_is_not_parsed_again() {
    let mut files = Files::new("[[tenants]]\nname = \"main\"");
    files.put("a.toml", "");
    files.put("b.toml", "");
    let before = files.read().unwrap();
    files.put("b.toml", "anonymous = true");
    let after = files.read().unwrap();
    let same: Vec<bool> = before
        .tenants
        .iter()
        .zip(&after.tenants)
        .map(|(before, after)| Arc::ptr_eq(before, after))
        .collect();
    assert_eq!(same, [true, true, false]);
    // A file that was wrong, and one that is gone.
    files.put("b.toml", "anonymous = 1");
    assert_eq!(files.said().len(), 1);
    fs::remove_file(files.path("b.toml")).unwrap();
    let last = files.read().unwrap();
    assert!(Arc::ptr_eq(&last.tenants[1], &before.tenants[1]) && last.tenants.len() == 2);
}

#[test]
fn a_plugin_that_comes_or_goes_is_seen_in_files_that_did_not_change() {
    let mut files = Files::new("");
    files.put("a.toml", "[[chain]]\nplugin = \"p\"");
    assert_eq!(
        files.said(),
        ["tenants.d/a.toml:2: chain[0].plugin: no plugin is named \"p\""]
    );
    let main = files.folder.path().join("sg.toml");
    let without = fs::read_to_string(&main).unwrap();
    fs::write(&main, format!("{without}\nplugins.p.file = \"p.wasm\"")).unwrap();
    assert_eq!(files.names(), ["a"]);
    fs::write(&main, without).unwrap();
    assert_eq!(files.said().len(), 1);
}

#[test]
fn a_directory_is_found_beside_the_main_file() {
    let config = super::good(&format!(
        "{}\nserver.tenants_dir = \"/\"",
        "tenants = [{ name = \"a\" }]"
    ));
    assert_eq!(config.server.tenants_dir.as_deref(), Some(Path::new("/")));
}
