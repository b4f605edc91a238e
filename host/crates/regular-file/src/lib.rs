//! Reads a regular file whole, up to a limit. What else a path can lead to (a pipe, a device, a directory) would wait for
//! ever or never end, so it is refused before a byte of it is read. Knows no content.

use std::fs::{FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use thiserror::Error;

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error(transparent)]
    System(#[from] io::Error),
    /// The path leads to something else.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
}

/// The content of the file at `path`, which has `limit` bytes at most.
///
/// # Errors
/// As [`ReadError`] says; within a bounded time, unless a file system hangs.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let file = OpenOptions::new()
        .read(true)
        // Opening a pipe that nobody writes to would wait; a terminal would become this process's own.
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)?;
    // Of the open file, so that it cannot be swapped in between.
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(ReadError::NotRegular(name(found.file_type())));
    }
    if found.len() > limit {
        return Err(ReadError::TooLarge(limit));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read, and files of the kernel's own say that they are empty.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge(limit));
    }
    Ok(bytes)
}

fn name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "something else"
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, Mode, mkfifoat};
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 4 bytes");
        // A link to a file is one.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read(&link, 5).unwrap(), b"12345");
    }

    #[test]
    fn a_huge_file_is_not_read_first() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("sparse");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read(&path, 1 << 20), Err(ReadError::TooLarge(_))));
    }

    #[test]
    fn a_file_that_does_not_say_how_long_it_is_has_the_same_limit() {
        // Both have a length of 0 in their metadata.
        assert!(!read(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
        assert!(matches!(
            read(Path::new("/proc/self/status"), 10),
            Err(ReadError::TooLarge(10))
        ));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for (path, said) in [
            (&*fifo, "it is a pipe, not a regular file"),
            (folder.path(), "it is a directory, not a regular file"),
            (Path::new("/dev/zero"), "it is a device, not a regular file"),
            (Path::new("/dev/tty"), ""),
            (&*socket, ""),
            (Path::new("/no/such/file"), "No such file or directory (os error 2)"),
        ] {
            let error = read(path, 1 << 20).unwrap_err().to_string();
            assert!(error.contains(said), "{}: {error}", path.display());
        }
    }
}
