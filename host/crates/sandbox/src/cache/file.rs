//! A file of compiled code: a magic number, a digest over the key and the code, the code.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// First bytes of each file; the last is the version of the layout.
const MAGIC: &[u8; 8] = b"sluice\0\x01";
pub(super) const DIGEST_BYTES: usize = 32;
/// Of a file that is whole, and of one that is being written.
pub(super) const ENDING: &str = "compiled";
pub(super) const UNFINISHED_ENDING: &str = "new";

/// Bytes of the file that holds `code`.
pub(super) fn size(code: &[u8]) -> u64 {
    (MAGIC.len() + DIGEST_BYTES + code.len()) as u64
}

/// The machine code in a file's `content`, if it is what was written under `key`.
pub(super) fn verified<'a>(key: &[u8], content: &'a [u8]) -> Option<&'a [u8]> {
    let (stored, code) = content.strip_prefix(MAGIC)?.split_at_checked(DIGEST_BYTES)?;
    (stored == digest(key, code)).then_some(code)
}

/// Writes all at once or not at all: readers see the old file or the new one.
pub(super) fn write(path: &Path, key: &[u8], code: &[u8]) -> io::Result<()> {
    let temporary = temporary(path.parent().unwrap_or(path));
    let parts: [&[u8]; 3] = [MAGIC, &digest(key, code), code];
    let written = create(&temporary)
        .and_then(|mut file| parts.iter().try_for_each(|part| file.write_all(part)))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

/// A new file of this user alone.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A name in `dir` that nobody else uses.
pub(super) fn temporary(dir: &Path) -> PathBuf {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    // A container's processes have the same id on every start, and one may have died while it wrote.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    dir.join(format!("{}-{now}-{serial}.{UNFINISHED_ENDING}", std::process::id()))
}

fn digest(key: &[u8], code: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update(code);
    hash.finalize().into()
}
