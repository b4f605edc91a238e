//! `server.tenants_dir`: a file for each tenant. A file is parsed when its bytes are not those of the last time.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::elsewhere::FilesTaken;
use super::name::{NAME_RULE, is_name};
use super::plugins::PluginFile;
use super::problem::{Place, Problem};
use super::section::Section;
use super::shown::Shown;
use super::source::{ReadMode, Source, Told};
use super::tenant::{ReadTenant, TenantReading};
use super::utf8;

/// Bytes of a tenant's file at most, and of a tenant that is pushed.
pub(super) const FILE_BYTES: u64 = 1_048_576;
/// Files of the directory at most.
const FILES: usize = 100_000;
/// What ends the name of a tenant's file. All other files are not looked at, nor those that begin with a dot: editors
/// and deployments keep theirs beside what they write.
const SUFFIX: &str = ".toml";

/// The files as they were when they were last read.
#[derive(Debug, Default)]
pub(super) struct TenantFiles {
    /// The plugins that chains could name then.
    plugins: Vec<Arc<str>>,
    files: HashMap<PathBuf, Arc<TenantFile>>,
}

/// One file that was read.
#[derive(Debug)]
pub(super) struct TenantFile {
    sha256: [u8; 32],
    /// None: it is no tenant, and the problems say why.
    pub tenant: Option<ReadTenant>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
    /// What it was made of beside its own bytes.
    pub taken: FilesTaken,
    /// If it is to be shown.
    pub shown: Option<Shown>,
}

// === impl TenantFiles ===

impl TenantFiles {
    /// All files of `directory`, by name. What is wrong with the directory is put into `problems`, at `place`.
    pub(super) fn read(
        &mut self,
        directory: &Path,
        place: &Place,
        plugins: &[PluginFile],
        mode: ReadMode,
        problems: &mut Vec<Problem>,
    ) -> Vec<Arc<TenantFile>> {
        let paths = list(directory).unwrap_or_else(|error| {
            let reason = format!("the directory {} cannot be read: {error}", directory.display());
            problems.push(place.problem(reason));
            Vec::new()
        });
        if paths.len() > FILES {
            let reason = format!("{} has {} files", directory.display(), paths.len());
            problems.push(place.problem(reason).hint(format!("there are at most {FILES}")));
            return Vec::new();
        }
        let names: Vec<_> = plugins.iter().map(|plugin| plugin.name.clone()).collect();
        if names != self.plugins {
            // What a chain names may be there now, or not any more.
            self.files.clear();
            self.plugins = names;
        }
        let mut before = std::mem::take(&mut self.files);
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let Some(file) = read(&path, before.remove(&path), plugins, mode) else {
                continue;
            };
            files.push(file.clone());
            self.files.insert(path, file);
        }
        files
    }

    /// Those that were last read, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&PathBuf, &TenantFile)> {
        let mut files: Vec<_> = self.files.iter().map(|(path, file)| (path, &**file)).collect();
        files.sort_unstable_by_key(|(path, _)| *path);
        files.into_iter()
    }
}

/// The tenants' files, by name.
pub(super) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names: Vec<OsString> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(SUFFIX.as_bytes()) && !bytes.starts_with(b".") {
            names.push(name);
        }
        if names.len() > FILES {
            break;
        }
    }
    names.sort_unstable();
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

/// None: it was removed since it was listed.
fn read(
    path: &Path,
    before: Option<Arc<TenantFile>>,
    plugins: &[PluginFile],
    mode: ReadMode,
) -> Option<Arc<TenantFile>> {
    let bytes = match read_within(path) {
        Ok(bytes) => bytes,
        Err(_) if is_gone(path) => return None,
        Err(reason) => return Some(Arc::new(TenantFile::unreadable(path, reason))),
    };
    let sha256 = Sha256::digest(&bytes).into();
    Some(match before {
        Some(before) if before.sha256 == sha256 && before.taken.are_same() => before,
        _ => Arc::new(TenantFile::parse(path, &bytes, sha256, plugins, mode)),
    })
}

/// A link that leads nowhere is there.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The bytes of a file that lies in its directory, or is a link to one that does.
fn read_within(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot be read: {error}");
    let found = fs::symlink_metadata(path).map_err(|error| cannot(&error))?;
    if found.is_symlink() {
        let target = fs::canonicalize(path).map_err(|error| cannot(&error))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        let directory = fs::canonicalize(directory).map_err(|error| cannot(&error))?;
        if !target.starts_with(&directory) {
            return Err("is a link that leads out of the directory".to_owned());
        }
        return regular_file::read(&target, FILE_BYTES).map_err(|error| cannot(&error));
    }
    regular_file::read(path, FILE_BYTES).map_err(|error| cannot(&error))
}

// === impl TenantFile ===

impl TenantFile {
    fn parse(path: &Path, bytes: &[u8], sha256: [u8; 32], plugins: &[PluginFile], mode: ReadMode) -> Self {
        let text = match utf8::text(path, bytes) {
            Ok(text) => text,
            Err(problem) => return Self::broken(problem, sha256),
        };
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !is_name(stem) {
            let reason = "the file's name is not that of a tenant";
            let hint = format!("for NAME.toml, {NAME_RULE}");
            return Self::broken(Place::file(path).problem(reason).hint(hint), sha256);
        }
        let source = Source::own(path, text, mode);
        let document = source.document(text);
        let tenant = document.as_ref().map(|table| {
            let reading = TenantReading {
                plugins,
                ceilings: None,
                name: Some(stem),
            };
            reading.tenant(Section::root(&source, table.get_ref()))
        });
        let shown = document.as_ref().and_then(|table| Shown::of(&source, table.get_ref()));
        let Told {
            problems,
            warnings,
            files: taken,
        } = source.into_told();
        Self {
            sha256,
            tenant,
            problems,
            warnings,
            taken,
            shown,
        }
    }

    fn unreadable(path: &Path, reason: String) -> Self {
        // No file has this digest, so it is read again the next time.
        Self::broken(Place::file(path).problem(reason), [0; 32])
    }

    fn broken(problem: Problem, sha256: [u8; 32]) -> Self {
        Self {
            sha256,
            tenant: None,
            problems: vec![problem],
            warnings: Vec::new(),
            taken: FilesTaken::default(),
            shown: None,
        }
    }
}

#[test]
fn a_file_that_goes_while_the_directory_is_read_was_never_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.toml");
    let mode = ReadMode {
        variable: |_| None,
        shows: false,
    };
    assert!(read(&path, None, &[], mode).is_none());
    std::os::unix::fs::symlink("nowhere.toml", &path).unwrap();
    assert!(read(&path, None, &[], mode).is_some(), "its problem is told");
}
