//! Whether a config's files changed: by their metadata, looked at again and again. That works on every file system, also on
//! those over a network, and with every way to write a file. Owns no clock.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::tenant_files;

/// Looks with a change, one after the other, until it is told though the files do not come to rest.
const RESTLESS: u32 = 10;
/// Tenants' files, and those that strings are taken from, that are looked at in one look, if nothing came and nothing went.
const FILES_AT_ONCE: usize = 1_000;

/// The files and the directory that a config is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSources {
    /// The main file, the plugins and the certificates.
    pub files: Vec<PathBuf>,
    /// Those that strings of the config are taken from, sorted.
    pub taken: Vec<PathBuf>,
    pub tenants_dir: Option<PathBuf>,
}

/// What the files were like at the last look.
#[derive(Debug, Default)]
pub struct ConfigWatch {
    sources: Option<ConfigSources>,
    directory: Option<FileStamp>,
    files: HashMap<PathBuf, Option<FileStamp>>,
    tenants: Vec<PathBuf>,
    /// Which of the tenants' files is looked at next, and which of those that strings are taken from.
    next_tenant: usize,
    next_taken: usize,
    /// Looks in a row that found a change which was not told yet.
    restless: u32,
}

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

// === impl ConfigWatch ===

impl ConfigWatch {
    /// What there is now is no change.
    pub fn begin(&mut self, sources: &ConfigSources) {
        self.look_at(sources);
        self.restless = 0;
    }

    /// Whether there was a change that the files have come to rest after: one that was not told yet. Other sources than at
    /// the last look are one, because what changed before they were looked at is not known.
    pub fn look(&mut self, sources: &ConfigSources) -> bool {
        if self.look_at(sources) {
            self.restless += 1;
            if self.restless < RESTLESS {
                return false;
            }
        }
        std::mem::take(&mut self.restless) > 0
    }

    /// Whether something is not as it was.
    fn look_at(&mut self, sources: &ConfigSources) -> bool {
        let mut is_other = false;
        if self.sources.as_ref() != Some(sources) {
            *self = Self {
                sources: Some(sources.clone()),
                restless: self.restless,
                ..Self::default()
            };
            is_other = true;
            for path in &sources.taken {
                self.stamp(path);
            }
        }
        for path in &sources.files {
            is_other |= self.stamp(path);
        }
        for path in some_of(&sources.taken, &mut self.next_taken) {
            is_other |= self.stamp(path);
        }
        let Some(directory) = &sources.tenants_dir else {
            return is_other;
        };
        let stamp = FileStamp::of(directory);
        if stamp.is_none() || stamp != self.directory {
            self.directory = stamp;
            // A directory that cannot be read has no files, as far as anybody can tell.
            let tenants = tenant_files::list(directory).unwrap_or_default();
            for path in &tenants {
                is_other |= self.stamp(path);
            }
            is_other |= tenants != self.tenants;
            let is_source = |path: &PathBuf| {
                sources.files.contains(path)
                    || sources.taken.binary_search(path).is_ok()
                    || tenants.binary_search(path).is_ok()
            };
            self.files.retain(|path, _| is_source(path));
            self.tenants = tenants;
            return is_other;
        }
        let tenants = std::mem::take(&mut self.tenants);
        for path in some_of(&tenants, &mut self.next_tenant) {
            is_other |= self.stamp(path);
        }
        self.tenants = tenants;
        is_other
    }

    /// Whether the file is not as it was.
    fn stamp(&mut self, path: &Path) -> bool {
        let stamp = FileStamp::of(path);
        if let Some(before) = self.files.get_mut(path) {
            return std::mem::replace(before, stamp) != stamp;
        }
        self.files.insert(path.to_owned(), stamp);
        true
    }
}

/// [`FILES_AT_ONCE`] of these, from `next` on.
fn some_of<'p>(paths: &'p [PathBuf], next: &mut usize) -> impl Iterator<Item = &'p PathBuf> + use<'p> {
    let begin = *next;
    let count = paths.len().min(FILES_AT_ONCE);
    *next = (begin + count).checked_rem(paths.len()).unwrap_or(0);
    let (before, after) = paths.split_at(begin);
    after.iter().chain(before).take(count)
}

// === impl FileStamp ===

impl FileStamp {
    /// None: there is no such file, or nobody can tell.
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}
