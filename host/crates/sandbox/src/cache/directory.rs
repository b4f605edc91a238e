//! Whether a directory is this user's alone: itself, and every directory above it, because whoever can write to one
//! of those can put another in its place.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::file;

const ROOT_USER: u32 = 0;
/// Others may not rename or remove what is not theirs.
const STICKY: u32 = 0o1000;

/// Makes `dir` if it is missing and checks it. Gives its path without symbolic links, each part of which was checked.
pub(super) fn prepare(dir: &Path) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = fs::canonicalize(dir)?;
    let found = fs::symlink_metadata(&dir)?;
    if !found.is_dir() {
        return Err(io::Error::other("not a directory"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may use the directory; chmod it to 700"));
    }
    // Files get their writer's user; no other call of std tells who that is.
    let probe = file::temporary(&dir);
    let user = file::create(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    if found.uid() != user {
        return Err(io::Error::other("the directory belongs to another user"));
    }
    // From the root down: what was checked cannot be exchanged any more when the next is looked at.
    let above: Vec<&Path> = dir.ancestors().skip(1).collect();
    for parent in above.into_iter().rev() {
        if let Some(reason) = open_to_others(&fs::symlink_metadata(parent)?, user) {
            let parent = parent.display();
            return Err(io::Error::other(format!("{parent}, which it is in, {reason}")));
        }
    }
    Ok(dir)
}

/// Why others than `user` and root may exchange what is in the directory `found`.
fn open_to_others(found: &Metadata, user: u32) -> Option<&'static str> {
    if found.uid() != ROOT_USER && found.uid() != user {
        Some("belongs to another user")
    } else if found.mode() & 0o022 != 0 && found.mode() & STICKY == 0 {
        Some("may be written to by others; chmod it to 755 or less")
    } else {
        None
    }
}
