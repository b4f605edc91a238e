//! Compiled plugins kept on disk between runs. What is in a file is machine code that will be run, so it is
//! believed only when it comes from a directory of this user alone and is the very bytes that were written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use sluicegate_contract::hex;
use wasmtime::Engine;
use wasmtime::component::Component;

/// First bytes of each file; the last is the version of the layout: these, a digest, the machine code.
const MAGIC: &[u8; 8] = b"sluice\0\x01";
const DIGEST_BYTES: usize = 32;
const ENDING: &str = "compiled";
/// Files kept; the ones that were not used for the longest time go first.
const FILES: usize = 64;

/// A directory of compiled components.
pub(super) struct Cache {
    dir: PathBuf,
    /// Tells engines apart: version, target, settings.
    engine: [u8; DIGEST_BYTES],
}

// === impl Cache ===

impl Cache {
    /// Opens `dir`, made if it is missing. None, with a warning in the log: it cannot be trusted or used.
    pub(super) fn open(dir: PathBuf, engine: &Engine) -> Option<Self> {
        if let Err(error) = prepare(&dir) {
            let dir = dir.display();
            tracing::warn!(%dir, %error, "compiled plugins are not cached");
            return None;
        }
        let mut hasher = DigestHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Some(Self {
            dir,
            engine: hasher.0.finalize().into(),
        })
    }

    /// What was compiled from `bytes` before. A file that is not as it was written is as good as none.
    pub(super) fn get(&self, engine: &Engine, bytes: &[u8]) -> Option<Component> {
        let key = self.key(bytes);
        let path = self.path(&key);
        let content = fs::read(&path).ok()?;
        let Some(code) = verified(&key, &content) else {
            let file = path.display();
            tracing::warn!(%file, "a compiled plugin is damaged and is compiled again");
            return None;
        };
        // SAFETY: these bytes came from `Component::serialize`, as `deserialize` demands: the digest over
        // them and the key was checked just now, in memory that nobody else writes, and the file is in a
        // directory that only this user can write to, so whoever could forge it can run code as this
        // user anyway. That the engine is of the same version and settings is in the key.
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

    /// Keeps `component`, which was compiled from `bytes`. Without success there is only a warning.
    pub(super) fn put(&self, bytes: &[u8], component: &Component) {
        let key = self.key(bytes);
        let path = self.path(&key);
        let kept = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| write(&path, &[MAGIC, &digest(&key, &code), &code]))
            .and_then(|()| evict(&self.dir));
        if let Err(error) = kept {
            let file = path.display();
            tracing::warn!(%file, %error, "a compiled plugin is not kept");
        }
    }

    fn key(&self, bytes: &[u8]) -> [u8; DIGEST_BYTES] {
        let mut hash = Sha256::new();
        hash.update(self.engine);
        hash.update(Sha256::digest(bytes));
        hash.finalize().into()
    }

    fn path(&self, key: &[u8; DIGEST_BYTES]) -> PathBuf {
        self.dir.join(hex::encode(key)).with_extension(ENDING)
    }
}

/// The machine code in a file's `content`, if it is what was written under `key`.
fn verified<'a>(key: &[u8], content: &'a [u8]) -> Option<&'a [u8]> {
    let (stored, code) = content.strip_prefix(MAGIC)?.split_at_checked(DIGEST_BYTES)?;
    (stored == digest(key, code)).then_some(code)
}

fn digest(key: &[u8], code: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update(code);
    hash.finalize().into()
}

/// Makes `dir` and checks that it is this user's alone.
fn prepare(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let found = fs::symlink_metadata(dir)?;
    if !found.is_dir() {
        return Err(io::Error::other("not a directory"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may use the directory; chmod it to 700"));
    }
    // Files get their writer's user; no other call of std tells who that is.
    let probe = temporary(dir);
    let user = create(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    if found.uid() != user {
        return Err(io::Error::other("the directory belongs to another user"));
    }
    Ok(())
}

/// Writes all at once or not at all: readers see the old file or the new one.
fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let temporary = temporary(path.parent().unwrap_or(path));
    let written = create(&temporary)
        .and_then(|mut file| parts.iter().try_for_each(|part| file.write_all(part)))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn temporary(dir: &Path) -> PathBuf {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    // A container's processes have the same id on every start, and one may have died while it wrote.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    dir.join(format!("{}-{now}-{serial}.new", std::process::id()))
}

fn evict(dir: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    files.sort();
    let excess = files.len().saturating_sub(FILES);
    files
        .iter()
        .take(excess)
        .try_for_each(|(_, path)| fs::remove_file(path))
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
