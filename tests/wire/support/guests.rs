//! Hostile guests: `.wat` in `tests/guests/`, compiled when a config names them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names in `guests/NAME.wasm` of a config.
pub(crate) fn named_in(config: &str) -> BTreeSet<String> {
    let ends = config.split("guests/").skip(1);
    ends.filter_map(|rest| rest.split_once(".wasm"))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
        .map(str::to_owned)
        .collect()
}

/// The bytes of the component in `tests/guests/NAME.wat`.
pub(crate) fn compile(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("guests/{name}.wat"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_guest_is_a_component_and_says_what_must_happen() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    for entry in fs::read_dir(folder).expect("the guests") {
        let path = entry.expect("a guest").path();
        if path.extension().is_some_and(|extension| extension == "wat") {
            let text = fs::read_to_string(&path).expect("a text");
            assert!(text.starts_with(";;"), "{}: no comment on top", path.display());
            compile(path.file_stem().unwrap().to_str().unwrap());
        }
    }
}
