//! Lists the files of the demo's pages, so that the broker carries them: the pages themselves, and the client for
//! JavaScript as it lies in this repository.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where files lie, from this package, and what they are called below `/demo/`.
const FOLDERS: [(&str, &str); 2] = [("src/gateway/demo/pages", ""), ("../clients/typescript/src", "client/")];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut list = String::from("&[\n");
    for (folder, place) in FOLDERS {
        let folder = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        for file in files_of(&folder)? {
            let path = file.to_str().expect("this repository lies at a path of UTF-8");
            let name = file.strip_prefix(&folder).expect("it was found there").display();
            writeln!(list, "    (\"{place}{name}\", include_str!({path:?})),").expect("a string grows");
        }
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("demo_files.rs"), list)
}

/// All files below a folder, in the order of their names.
fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => found.extend(files_of(&entry.path())?),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    Ok(found)
}
