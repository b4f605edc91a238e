//! `cargo xtask tidy`: the invariants of the layout, checked by a program. Reads source text only; of Rust it knows
//! comments, strings and paths.

mod arrows;
mod code;
mod features;
mod house;
mod modules;
mod paths;
mod rules;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::Workspace;
use house::House;
use rules::{Source, Violation};

/// Folders that hold source of ours.
const FOLDERS: [&str; 9] = [
    "host",
    "plugin-sdk",
    "plugins",
    "tests",
    "xtask",
    "bench",
    "fuzz",
    "clients",
    "docs",
];
/// Built or downloaded: not checked.
const NOT_OURS: [&str; 3] = ["target", "node_modules", "dist"];
/// The wanted median length of files, in lines.
const MEDIAN_AIM: usize = 120;

/// Whether circles and types of one name fail, or are only told.
const HOUSE_IN_ORDER: bool = true;

pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let sources = read_all(&workspace.root)?;
    let house = House::read(&workspace.root, &sources)?;
    match words {
        [] => {}
        ["--arrows"] => {
            house.print();
            return Ok(());
        }
        _ => bail!("usage: cargo xtask tidy [--arrows]"),
    }
    let lengths = lengths_of_rust_files(&sources);
    // A walk that finds nothing would call anything tidy.
    ensure!(!lengths.is_empty(), "no Rust file under {}", workspace.root.display());
    let mut violations: Vec<Violation> = sources.iter().flat_map(rules::check).collect();
    violations.extend(rules::rooms_that_are_gone(&sources));
    violations.extend(features::check(workspace)?);
    let disorder = house.check();
    match HOUSE_IN_ORDER {
        true => violations.extend(disorder),
        false => println!("{} circles and types of one name: see --arrows", disorder.len()),
    }
    for violation in &violations {
        println!("{violation}");
    }
    println!(
        "{} files; of the {} in Rust the median has {} lines (aim: near {MEDIAN_AIM}), the longest {}",
        sources.len(),
        lengths.len(),
        lengths[lengths.len() / 2],
        lengths[lengths.len() - 1],
    );
    match violations.len() {
        0 => Ok(()),
        n => bail!("{n} not tidy"),
    }
}

/// Every source file of ours, by its path from the root.
fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        if root.join(folder).is_dir() {
            walk(root, &root.join(folder), &mut sources)?;
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn walk(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            walk(root, &path, sources)?;
        } else if kind.is_file()
            && [".rs", ".js", ".mjs", ".ts"]
                .iter()
                .any(|ending| name.ends_with(ending))
        {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let path = path.strip_prefix(root)?.to_string_lossy().into_owned();
            sources.push(Source { path, text });
        }
    }
    Ok(())
}

fn lengths_of_rust_files(sources: &[Source]) -> Vec<usize> {
    let rust = sources.iter().filter(|source| source.is_rust());
    let mut lengths: Vec<usize> = rust.map(|source| source.text.lines().count()).collect();
    lengths.sort_unstable();
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_reads_this_very_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let sources = read_all(root).unwrap();
        let this = sources
            .iter()
            .find(|source| source.path == "xtask/src/tidy.rs")
            .expect("this file");
        assert_eq!(this.text, include_str!("tidy.rs"));
        assert!(sources.iter().all(|source| !source.path.contains("node_modules/")));
        assert!(!lengths_of_rust_files(&sources).is_empty());
    }
}
