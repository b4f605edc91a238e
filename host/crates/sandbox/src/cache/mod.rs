//! Compiled plugins kept on disk between runs. What is in a file is machine code that will be run, so it is
//! believed only when it comes from a directory of this user alone and is the very bytes that were written.
//!
//! The directory has a size in bytes. A load (a start, a reload) that needs more than fits must not have each file
//! take the place of one that the same load asks for next: so nothing goes while a load runs. What did not fit is
//! written when the load is over and it is known what it used ([`Cache::settle`]); what is in use keeps its place.

mod directory;
mod file;

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use sluicegate_contract::hex;
use wasmtime::Engine;
use wasmtime::component::Component;

use file::{DIGEST_BYTES, ENDING, UNFINISHED_ENDING};

/// A file that is still being written after this time is of a process that died.
const UNFINISHED: Duration = Duration::from_hours(1);

/// A directory of compiled components.
pub(super) struct Cache {
    dir: PathBuf,
    /// Tells engines apart: version, target, settings.
    engine: [u8; DIGEST_BYTES],
    max_bytes: u64,
    state: Mutex<CacheState>,
}

#[derive(Default)]
struct CacheState {
    /// What loaded plugins were compiled from.
    used: Vec<Weak<CacheEntry>>,
    /// Compiled by the load that runs, without room so far.
    waiting: Vec<(Arc<CacheEntry>, Component)>,
}

/// The place of one component in the cache. Its file stays while somebody holds it.
pub(super) struct CacheEntry {
    key: [u8; DIGEST_BYTES],
}

/// What takes room in the directory.
#[derive(Default)]
struct CacheListing {
    files: Vec<StoredCode>,
    /// Bytes of what is being written now.
    unfinished: u64,
}

/// A file that is whole.
struct StoredCode {
    path: PathBuf,
    bytes: u64,
    used_at: SystemTime,
    is_used: bool,
}

/// Bytes that are not given away yet.
struct FreeBytes(u64);

// === impl Cache ===

impl Cache {
    /// Opens `dir`, made if it is missing. None, with a warning in the log: it cannot be trusted or used.
    pub(super) fn open(dir: PathBuf, max_bytes: u64, engine: &Engine) -> Option<Self> {
        let dir = match directory::prepare(&dir) {
            Ok(dir) => dir,
            Err(error) => {
                let dir = dir.display();
                tracing::warn!(%dir, %error, "compiled plugins are not cached");
                return None;
            }
        };
        let mut hasher = DigestHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Some(Self {
            dir,
            engine: hasher.0.finalize().into(),
            max_bytes,
            state: Mutex::default(),
        })
    }

    /// The place of what is compiled from `bytes`.
    pub(super) fn entry(&self, bytes: &[u8]) -> Arc<CacheEntry> {
        let mut hash = Sha256::new();
        hash.update(self.engine);
        hash.update(Sha256::digest(bytes));
        let entry = Arc::new(CacheEntry {
            key: hash.finalize().into(),
        });
        let used = &mut self.state.lock().used;
        used.retain(|entry| entry.strong_count() > 0);
        used.push(Arc::downgrade(&entry));
        entry
    }

    /// What was compiled before. A file that is not as it was written is as good as none.
    pub(super) fn get(&self, engine: &Engine, entry: &CacheEntry) -> Option<Component> {
        let path = self.path(entry);
        let content = fs::read(&path).ok()?;
        let Some(code) = file::verified(&entry.key, &content) else {
            let file = path.display();
            tracing::warn!(%file, "a compiled plugin is damaged and is compiled again");
            return None;
        };
        // SAFETY: these bytes came from `Component::serialize`, as `deserialize` demands: the digest over
        // them and the key was checked just now, in memory that nobody else writes, and the file is in a
        // directory that only this user can write to or put another in the place of, so whoever could forge it
        // can run code as this user anyway. That the engine is of the same version and settings is in the key.
        #[expect(unsafe_code, reason = "the only way to use code that was compiled before")]
        let component = unsafe { Component::deserialize(engine, code) };
        match component {
            Ok(component) => {
                // The age that eviction goes by; a file system without it evicts in another order.
                let touched = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                drop(touched);
                Some(component)
            }
            Err(error) => {
                let file = path.display();
                tracing::warn!(%file, %error, "a compiled plugin does not load and is compiled again");
                None
            }
        }
    }

    /// Keeps `component`: now if there is room, else when the load is over.
    pub(super) fn put(&self, entry: &Arc<CacheEntry>, component: &Component) {
        let Some(code) = serialized(component) else { return };
        let listing = self.list(&[]);
        let stored = listing.unfinished + listing.files.iter().map(|file| file.bytes).sum::<u64>();
        if file::size(&code) <= self.max_bytes.saturating_sub(stored) {
            self.write(entry, &code);
        } else {
            let waiting = (Arc::clone(entry), component.clone());
            self.state.lock().waiting.push(waiting);
        }
    }

    /// A load is over: what it did not use makes room for what it compiled, the oldest first.
    pub(super) fn settle(&self) {
        let (waiting, used) = {
            let mut state = self.state.lock();
            let used: Vec<_> = state.used.iter().filter_map(Weak::upgrade).collect();
            (std::mem::take(&mut state.waiting), used)
        };
        let listing = self.list(&used);
        let (mut used, mut unused): (Vec<StoredCode>, Vec<StoredCode>) =
            listing.files.into_iter().partition(|file| file.is_used);
        let mut room = FreeBytes(self.max_bytes.saturating_sub(listing.unfinished));
        let mut left_out = 0;
        // If not even all that is used fits, those that the load asked for first stay: the next load, in the same
        // order, finds them, and takes nothing away for the others.
        used.sort_by_key(|file| file.used_at);
        for file in used {
            if !room.take(file.bytes) {
                left_out += 1;
                remove(&file.path);
            }
        }
        let mut new = Vec::new();
        for (entry, component) in waiting {
            match serialized(&component) {
                Some(code) if room.take(file::size(&code)) => new.push((entry, code)),
                Some(_) => left_out += 1,
                None => {}
            }
        }
        unused.sort_by_key(|file| Reverse(file.used_at));
        for file in unused {
            if !room.take(file.bytes) {
                remove(&file.path);
            }
        }
        for (entry, code) in new {
            self.write(&entry, &code);
        }
        if left_out > 0 {
            let (dir, mib) = (self.dir.display(), self.max_bytes / (1024 * 1024));
            tracing::warn!(
                %dir,
                plugins = left_out,
                "compiled plugins find no room and are compiled at every start; raise sandbox.cache_mib, which is {mib}"
            );
        }
    }

    /// Without success there is only a warning.
    fn write(&self, entry: &CacheEntry, code: &[u8]) {
        let path = self.path(entry);
        if let Err(error) = file::write(&path, &entry.key, code) {
            let file = path.display();
            tracing::warn!(%file, %error, "a compiled plugin is not kept");
        }
    }

    /// What is in the directory; `used` are the entries that count as used.
    fn list(&self, used: &[Arc<CacheEntry>]) -> CacheListing {
        let now = SystemTime::now();
        let mut listing = CacheListing::default();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(found) = entry.metadata() else { continue };
            let used_at = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            match path.extension().and_then(OsStr::to_str) {
                Some(ENDING) => listing.files.push(StoredCode {
                    is_used: used.iter().any(|entry| self.path(entry) == path),
                    path,
                    bytes: found.len(),
                    used_at,
                }),
                Some(UNFINISHED_ENDING) if now.duration_since(used_at).is_ok_and(|age| age > UNFINISHED) => {
                    remove(&path);
                }
                Some(UNFINISHED_ENDING) => listing.unfinished += found.len(),
                _ => {}
            }
        }
        listing
    }

    fn path(&self, entry: &CacheEntry) -> PathBuf {
        self.dir.join(hex::encode(&entry.key)).with_extension(ENDING)
    }
}

// === impl FreeBytes ===

impl FreeBytes {
    /// False, and nothing is taken: there are not so many.
    fn take(&mut self, bytes: u64) -> bool {
        let rest = self.0.checked_sub(bytes);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

/// The machine code of `component`; none, with a warning, if there is no way to have it.
fn serialized(component: &Component) -> Option<Vec<u8>> {
    let code = component.serialize();
    code.inspect_err(|error| tracing::warn!(%error, "a compiled plugin is not kept"))
        .ok()
}

/// Another process may have been first.
fn remove(path: &Path) {
    drop(fs::remove_file(path));
}

/// A hasher that only feeds a digest: std's are not the same from one build to the next.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
