//! Listening on a path of the file system.

use std::fs;
use std::io;
use std::mem;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The file of a socket that this process listens on. Dropping it takes the file away.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// The file system and the number of the file: another may have its name by now.
    identity: (u64, u64),
}

/// Listens at `path`. The file that a process left which did not end in order is taken away; what another listens on is
/// not, and neither is a file of another kind. Who may connect is up to the process's umask and the directory.
pub(super) fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    take_away_stale(path)?;
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    let file = SocketFile::at(path)?;
    Ok((listener, file))
}

fn take_away_stale(path: &Path) -> io::Result<()> {
    let is_socket = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type().is_socket(),
    };
    if !is_socket {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file of this name that is no socket",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

// === impl SocketFile ===

impl SocketFile {
    /// The file of a socket that this process listens on.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }

    /// It is another process's from now on.
    pub(crate) fn leave(self) {
        mem::forget(self);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_taken_away_and_what_is_in_use_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.sock");
        // Nobody takes the file away, as after a kill.
        drop(UnixListener::bind(&path).unwrap());
        let (listener, file) = bind(&path).unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        UnixStream::connect(&path).unwrap();
        drop((listener, file));
        assert!(!path.exists());
        fs::write(&path, "a document").unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"a document");
    }

    #[test]
    fn the_file_of_another_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.sock");
        let (listener, file) = bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let (_other, _file) = bind(&path).unwrap();
        drop((listener, file));
        assert!(path.exists());
    }

    #[test]
    fn what_was_handed_over_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.sock");
        let (_listener, file) = bind(&path).unwrap();
        file.leave();
        assert!(path.exists());
        drop(SocketFile::at(&path));
        assert!(!path.exists());
    }
}
