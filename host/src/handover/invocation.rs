//! How this process was started, so that another can be started like it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A program and its arguments.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// What the process was started by. Links are not followed: they may lead to another version by now.
    pub(super) program: PathBuf,
    /// What the process is called.
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
}

// === impl Invocation ===

impl Invocation {
    /// This process's. To be asked at its start: later the system may say that the program was deleted.
    pub fn here() -> io::Result<Self> {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        Ok(Self {
            program: program(&name, &std::env::current_dir()?, std::env::current_exe)?,
            name,
            arguments: arguments.collect(),
        })
    }
}

/// Where a program is that was started by this name in this directory. A name without a directory was looked up somewhere, and
/// `found` is what was found.
fn program(name: &OsStr, directory: &Path, found: impl FnOnce() -> io::Result<PathBuf>) -> io::Result<PathBuf> {
    match name.as_bytes().contains(&b'/') {
        true => Ok(directory.join(name)),
        false => found(),
    }
}

#[test]
fn a_program_is_where_it_was_started() {
    let found = || Ok(PathBuf::from("/found"));
    for (name, is_at) in [
        ("/opt/a/bin", "/opt/a/bin"),
        ("./bin", "/home/./bin"),
        ("bin", "/found"),
        ("", "/found"),
    ] {
        let program = program(name.as_ref(), Path::new("/home"), found).unwrap();
        assert_eq!(program, Path::new(is_at), "{name:?}");
    }
}
