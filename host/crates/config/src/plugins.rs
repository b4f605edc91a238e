//! `[plugins.NAME]`: names for components. Does not open them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::name::{NAME_RULE, is_name};
use super::problem::Place;
use super::section::{Section, Value};

/// A component under the name that chains call it by.
#[derive(Clone, Debug)]
pub struct PluginFile {
    /// The name, unique in the config.
    pub name: Arc<str>,
    /// The file; a relative one is taken from the config file's directory.
    pub path: PathBuf,
    /// The SHA-256 that the file must have, if one is configured.
    pub sha256: Option<[u8; 32]>,
    /// Where it stands, for problems that show when it is loaded.
    pub place: Place,
}

pub(super) fn read(section: &Section<'_>, base: &Path) -> Vec<PluginFile> {
    section
        .entries()
        .map(|(name, value)| plugin(name, &value, base))
        .collect()
}

fn plugin(name: &str, value: &Value<'_>, base: &Path) -> PluginFile {
    if !is_name(name) {
        value.problem("is not a plugin name", NAME_RULE);
    }
    let mut section = value.section();
    let path = section.need("file").and_then(|value| file(&value));
    let sha256 = section
        .value("sha256")
        .and_then(|value| digest(&value, "write 64 hexadecimal digits, as sha256sum prints them"));
    section.finish();
    PluginFile {
        name: name.into(),
        path: base.join(path.unwrap_or_default()),
        sha256,
        place: value.place.clone(),
    }
}

fn file<'a>(value: &Value<'a>) -> Option<&'a str> {
    let file = value.text()?;
    if file.is_empty() {
        value.problem("is empty", "write the path of a .wasm component");
        return None;
    }
    Some(file.get())
}

/// The SHA-256 that is written here; `hint` says where to get one.
pub(super) fn digest(value: &Value<'_>, hint: &str) -> Option<[u8; 32]> {
    let text = value.text()?;
    let digest = hex32(&text);
    if digest.is_none() {
        value.problem("is not a SHA-256", hint);
    }
    digest
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}
