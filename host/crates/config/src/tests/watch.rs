//! What a watched config's files may do, and when that is told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{ConfigSources, ConfigWatch};

struct Watched {
    folder: TempDir,
    sources: ConfigSources,
    watch: ConfigWatch,
}

impl Watched {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("sg.toml");
        let directory = folder.path().join("tenants.d");
        fs::create_dir(&directory).unwrap();
        fs::write(&main, "main").unwrap();
        fs::write(directory.join("a.toml"), "a").unwrap();
        let sources = ConfigSources {
            files: vec![main, folder.path().join("plugin.wasm")],
            taken: vec![folder.path().join("secret")],
            tenants_dir: Some(directory),
        };
        let mut watch = ConfigWatch::default();
        watch.begin(&sources);
        Self { folder, sources, watch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn look(&mut self) -> bool {
        self.watch.look(&self.sources)
    }

    /// Whether a change is told once, at the second look, and never again.
    #[track_caller]
    fn tells_once(&mut self, what: &str) {
        let told = [(); 4].map(|()| self.look());
        assert_eq!(told, [false, true, false, false], "{what}");
    }
}

/// Changes a file.
type Change = fn(&Watched);

#[test]
fn whatever_changes_is_told_once_it_is_at_rest() {
    let mut watched = Watched::new();
    assert!(!watched.look() && !watched.look());
    let cases: [(&str, Change); 11] = [
        ("the main file", |w| fs::write(w.path("sg.toml"), "other").unwrap()),
        ("a plugin that comes", |w| {
            fs::write(w.path("plugin.wasm"), "x").unwrap()
        }),
        ("a plugin that is replaced", |w| {
            fs::write(w.path("new.wasm"), "y").unwrap();
            fs::rename(w.path("new.wasm"), w.path("plugin.wasm")).unwrap();
        }),
        ("a secret that comes", |w| fs::write(w.path("secret"), "x").unwrap()),
        ("a secret that is replaced", |w| {
            fs::write(w.path("new"), "y").unwrap();
            fs::rename(w.path("new"), w.path("secret")).unwrap();
        }),
        ("a tenant that comes", |w| {
            fs::write(w.path("tenants.d/b.toml"), "b").unwrap()
        }),
        ("a tenant's file, in place", |w| {
            fs::write(w.path("tenants.d/a.toml"), "longer").unwrap()
        }),
        ("a tenant's file, by rename", |w| {
            fs::write(w.path("tenants.d/.a.toml"), "renamed").unwrap();
            fs::rename(w.path("tenants.d/.a.toml"), w.path("tenants.d/a.toml")).unwrap();
        }),
        ("a tenant that goes", |w| {
            fs::remove_file(w.path("tenants.d/b.toml")).unwrap()
        }),
        ("a directory that goes", |w| {
            fs::rename(w.path("tenants.d"), w.path("gone.d")).unwrap();
        }),
        ("and comes again", |w| {
            fs::rename(w.path("gone.d"), w.path("tenants.d")).unwrap()
        }),
    ];
    for (what, change) in cases {
        change(&watched);
        watched.tells_once(what);
    }
}

#[test]
fn what_is_no_tenants_file_is_no_change() {
    let mut watched = Watched::new();
    fs::write(watched.path("tenants.d/.b.toml.swp"), "b").unwrap();
    fs::write(watched.path("tenants.d/b.toml~"), "b").unwrap();
    assert!(!watched.look() && !watched.look());
}

#[test]
fn a_swapped_link_is_a_change_of_its_files() {
    let mut watched = Watched::new();
    for version in ["..1", "..2"] {
        fs::create_dir(watched.path("tenants.d").join(version)).unwrap();
        fs::write(watched.path("tenants.d").join(version).join("c.toml"), "c").unwrap();
    }
    symlink("..1", watched.path("tenants.d/..data")).unwrap();
    symlink("..data/c.toml", watched.path("tenants.d/c.toml")).unwrap();
    watched.tells_once("it comes");
    symlink("..2", watched.path("tenants.d/..new")).unwrap();
    fs::rename(watched.path("tenants.d/..new"), watched.path("tenants.d/..data")).unwrap();
    watched.tells_once("it is swapped");
}

#[test]
fn files_without_rest_are_told_nevertheless() {
    let mut watched = Watched::new();
    let told = (0..20).map(|round| {
        fs::write(watched.path("tenants.d/a.toml"), "x".repeat(round + 2)).unwrap();
        watched.look()
    });
    let told: Vec<bool> = told.collect();
    let expected: Vec<bool> = (1..=20).map(|look| look % 10 == 0).collect();
    assert_eq!(told, expected);
}

#[test]
fn other_sources_are_a_change() {
    let mut watched = Watched::new();
    watched.sources.files.push(watched.path("another.wasm"));
    watched.tells_once("another plugin");
    watched.sources.tenants_dir = None;
    watched.tells_once("no directory");
}

#[test]
fn a_change_among_thousands_is_found_in_a_few_looks() {
    let mut watched = Watched::new();
    for number in 0..2_500 {
        fs::write(watched.path(&format!("tenants.d/t{number}.toml")), "").unwrap();
    }
    watched.tells_once("they come");
    fs::write(watched.path("tenants.d/t1234.toml"), "other").unwrap();
    let looks = (1..=5).find(|_| watched.look());
    assert!(looks.is_some_and(|looks| looks <= 4), "{looks:?}");
}
