//! The broker's crates as a whole: which depend on which, the arrows inside each, types with one name, and
//! documentation that only repeats a name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::arrows::{self, Arrows};
use super::modules::{self, Module};
use super::rules::{Source, Violation};

/// The binary; the other crates lie beside each other.
const BINARY: &str = "host";
const CRATES: &str = "host/crates";
/// Crates whose modules may still have circles, and why.
const CIRCLES_ALLOWED: [(&str, &str); 1] = [("sandbox", "it is rebuilt for thousands of tenants")];
/// Types that may be defined twice, and why.
const TYPES_ALLOWED: [(&str, &str); 1] = [("Result", "an alias with the crate's own error")];
/// A comment of so few words only repeats the name of its item.
const WORDS_FEW: usize = 3;

pub(super) struct House {
    crates: Vec<Crate>,
}

struct Crate {
    name: String,
    /// Crates of ours that it depends on.
    uses: Vec<String>,
    modules: Vec<Module>,
    arrows: Arrows,
    rooms: Arrows,
    /// Where documentation has three words or fewer.
    short_docs: Vec<(String, usize)>,
}

// === impl House ===

impl House {
    pub(super) fn read(root: &Path, sources: &[Source]) -> Result<Self> {
        let mut folders = vec![("sluicegate".to_owned(), BINARY.to_owned())];
        for entry in fs::read_dir(root.join(CRATES)).context(CRATES)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            folders.push((name.clone(), format!("{CRATES}/{name}")));
        }
        folders.retain(|(_, folder)| root.join(folder).join("Cargo.toml").is_file());
        folders[1..].sort();
        let crates = folders
            .into_iter()
            .map(|(name, folder)| Crate::read(root, sources, name, &folder))
            .collect::<Result<_>>()?;
        Ok(Self { crates })
    }

    /// Circles, and types that are defined twice.
    pub(super) fn check(&self) -> Vec<Violation> {
        let mut violations = self.types_defined_twice();
        for each in &self.crates {
            if !each.may_hold_circles() {
                violations.extend(each.circles());
            }
        }
        violations
    }

    fn types_defined_twice(&self) -> Vec<Violation> {
        let mut places: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
        for module in self.crates.iter().flat_map(|each| &each.modules) {
            for (name, line) in &module.types {
                places.entry(name).or_default().push((&module.path, *line));
            }
        }
        let allowed = |name: &str| TYPES_ALLOWED.iter().any(|(allowed, _)| *allowed == name);
        let twice = places
            .into_iter()
            .filter(|(name, places)| places.len() > 1 && !allowed(name));
        let violations = twice.flat_map(|(name, places)| {
            let first = format!("{}:{}", places[0].0, places[0].1);
            let others = places.into_iter().skip(1);
            others.map(move |(path, line)| Violation {
                path: path.to_owned(),
                line,
                what: format!("a type {name} is defined in {first} too: one name, one meaning"),
            })
        });
        violations.collect()
    }

    /// What `cargo xtask tidy --arrows` prints.
    pub(super) fn print(&self) {
        println!("crates, and those of ours that they depend on");
        for each in &self.crates {
            let files = each.modules.len();
            let lines: usize = each.modules.iter().map(|module| module.code.lines().count()).sum();
            println!(
                "  {:14} {files:3} files {lines:6} lines -> {}",
                each.name,
                each.uses.join(" ")
            );
        }
        let (mut circles, mut backward) = (0, 0);
        let counts = |each: &Crate| usize::from(!each.may_hold_circles());
        for each in &self.crates {
            let arrows: usize = each.arrows.values().map(std::collections::BTreeSet::len).sum();
            println!("\n{}: {} modules, {arrows} arrows", each.name, each.modules.len());
            for (what, graph) in [("files", &each.arrows), ("rooms", &each.rooms)] {
                for circle in arrows::circles(graph) {
                    circles += counts(each);
                    let names: Vec<String> = circle.iter().map(|name| shown(name)).collect();
                    println!("  circle of {} {what}: {}", circle.len(), names.join(" "));
                    for (from, to) in arrows::backward(graph, &circle) {
                        backward += counts(each);
                        println!("    backward: {} -> {}", shown(&from), shown(&to));
                    }
                }
            }
            for (from, targets) in &each.arrows {
                let targets: Vec<String> = targets.iter().map(|name| shown(name)).collect();
                if !targets.is_empty() {
                    println!("  {} -> {}", shown(from), targets.join(" "));
                }
            }
        }
        let short = self.crates.iter().flat_map(|each| &each.short_docs);
        println!("\ndocumentation of {WORDS_FEW} words or fewer");
        let mut shorts = 0;
        for (path, line) in short {
            shorts += 1;
            println!("  {path}:{line}");
        }
        let twice = self.types_defined_twice();
        println!("\ntypes defined twice");
        for violation in &twice {
            println!("  {violation}");
        }
        println!(
            "\n{} crates; {circles} circles (not counting {}) with {backward} backward arrows; {} types defined again; {shorts} short comments",
            self.crates.len(),
            CIRCLES_ALLOWED.map(|(name, _)| name).join(", "),
            twice.len()
        );
    }
}

/// A crate's root has no name of its own.
fn shown(module: &str) -> String {
    match module {
        "" => "(root)".to_owned(),
        module => module.to_owned(),
    }
}

// === impl Crate ===

impl Crate {
    fn read(root: &Path, sources: &[Source], name: String, folder: &str) -> Result<Self> {
        let manifest = root.join(folder).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
        let manifest: toml::Table = text.parse().with_context(|| manifest.display().to_string())?;
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let uses = dependencies
            .into_iter()
            .flat_map(toml::Table::keys)
            .filter(|name| root.join(CRATES).join(name).is_dir())
            .cloned()
            .collect();
        let modules = modules::of_crate(sources, &format!("{folder}/src/lib.rs"));
        let arrows = arrows::between_files(&modules);
        let short_docs = modules
            .iter()
            .filter_map(|module| sources.iter().find(|source| source.path == module.path))
            .flat_map(|source| {
                short_docs(&source.text)
                    .into_iter()
                    .map(|line| (source.path.clone(), line))
            })
            .collect();
        Ok(Self {
            rooms: arrows::between_rooms(&arrows),
            name,
            uses,
            modules,
            arrows,
            short_docs,
        })
    }

    fn may_hold_circles(&self) -> bool {
        CIRCLES_ALLOWED.iter().any(|(name, _)| *name == self.name)
    }

    fn circles(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        for (what, graph) in [("files", &self.arrows), ("rooms", &self.rooms)] {
            for circle in arrows::circles(graph) {
                for (from, to) in arrows::backward(graph, &circle) {
                    let path = self.file_of(&from);
                    let what = format!(
                        "{} uses {}, which uses it, if only through others: a circle of {} {what}; what both need has a file of its own",
                        shown(&from),
                        shown(&to),
                        circle.len(),
                    );
                    violations.push(Violation { path, line: 1, what });
                }
            }
        }
        violations
    }

    fn file_of(&self, module: &str) -> String {
        let found = self.modules.iter().find(|each| each.name == module);
        found.map_or_else(|| self.name.clone(), |module| module.path.clone())
    }
}

/// Lines with a comment that documents an item in three words or fewer, all lines of the comment together.
fn short_docs(text: &str) -> Vec<usize> {
    let mut short = Vec::new();
    let (mut start, mut words) = (0, 0);
    for (number, line) in text.lines().map(str::trim_start).chain([""]).enumerate() {
        if let Some(comment) = line.strip_prefix("///").filter(|rest| !rest.starts_with('/')) {
            if words == 0 {
                start = number + 1;
            }
            words += comment.split_whitespace().count();
        } else {
            if (1..=WORDS_FEW).contains(&words) {
                short.push(start);
            }
            words = 0;
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_comments_are_counted_whole() {
        let text = "/// Who.\nstruct A;\n/// What it is, and why.\n/// So.\nstruct B;\n//! A page.\n/// Never two\n/// lines alone";
        assert_eq!(short_docs(text), [1]);
        assert_eq!(short_docs("/// One\n/// two"), [1]);
    }

    fn house(files: &[(&str, &str)]) -> House {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        let crates = ["host", "host/crates/wire", "host/crates/sandbox"].map(|folder| {
            let modules = modules::of_crate(&sources, &format!("{folder}/src/lib.rs"));
            let arrows = arrows::between_files(&modules);
            Crate {
                name: folder.rsplit('/').next().unwrap_or(folder).to_owned(),
                uses: Vec::new(),
                rooms: arrows::between_rooms(&arrows),
                modules,
                arrows,
                short_docs: Vec::new(),
            }
        });
        House { crates: crates.into() }
    }

    #[test]
    fn a_type_has_one_place() {
        let house = house(&[
            ("host/src/lib.rs", "mod a; pub struct Line; type Result<T> = X<T>;"),
            ("host/src/a.rs", "pub enum Other {}"),
            ("host/crates/wire/src/lib.rs", "\nstruct Line; type Result<T> = Y<T>;"),
        ]);
        let found: Vec<String> = house.check().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("host/crates/wire/src/lib.rs:2: a type Line is defined in host/src/lib.rs:1 too"));
    }

    #[test]
    fn a_circle_is_found_where_none_is_allowed() {
        let circle = |folder: &str| {
            [
                (format!("{folder}/src/lib.rs"), "mod a; mod b;"),
                (format!("{folder}/src/a.rs"), "use crate::b::g; pub fn f() {}"),
                (format!("{folder}/src/b.rs"), "use crate::a::f; pub fn g() {}"),
            ]
        };
        for (folder, expected) in [("host/crates/wire", 1), ("host/crates/sandbox", 0)] {
            let files = circle(folder);
            let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
            let found = house(&files).check();
            let files_only = found
                .iter()
                .filter(|violation| violation.what.contains("circle of 2 files"));
            assert_eq!(files_only.count(), expected, "{found:?}");
        }
    }
}
