//! The audit log of the admin API: one JSON object a line, in a file that is only appended to. Knows no HTTP.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use parking_lot::Mutex;
use rustix::fs::OFlags;
use serde::Serialize;

/// Only the broker's user may read who did what.
const FILE_MODE: u32 = 0o600;

/// Where calls are written down.
#[derive(Default)]
pub struct AuditLog(Mutex<Option<File>>);

/// A file that was opened, to be used from [`AuditLog::use_file`] on.
pub struct AuditFile(Option<File>);

impl AuditFile {
    /// Opens the file at `path`, or creates it. Without a path, lines go to the broker's log, under the target `audit`.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(FILE_MODE)
                // A pipe that nobody reads would be waited for, at the opening and whenever it is full.
                .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
                .open(path)
        };
        Ok(Self(path.map(open).transpose()?))
    }
}

impl AuditLog {
    /// Lines go to `file` from now on.
    pub fn use_file(&self, file: AuditFile) {
        *self.0.lock() = file.0;
    }

    /// Writes one line. When this returns, the system has the line: it survives this process, not a power cut.
    pub fn write(&self, entry: &impl Serialize) -> io::Result<()> {
        let mut line = printable::in_json(serde_json::to_string(entry)?);
        if let Some(file) = &mut *self.0.lock() {
            line.push('\n');
            // One write, so that lines of two writers to the same file stay apart.
            return file.write_all(line.as_bytes());
        }
        tracing::info!(target: "audit", "{line}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn appends_whole_lines_that_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for n in 0..2 {
            let log = AuditLog::default();
            log.use_file(AuditFile::open(Some(&path)).unwrap());
            log.write(&serde_json::json!({ "n": n, "text": "a\nb" })).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"n\":0,\"text\":\"a\\nb\"}\n{\"n\":1,\"text\":\"a\\nb\"}\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        use rustix::fs::{CWD, Mode, mkfifoat};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        assert!(AuditFile::open(Some(&path)).is_err(), "nobody reads it");
        let _reader = File::options().read(true).write(true).open(&path).unwrap();
        let log = AuditLog::default();
        log.use_file(AuditFile::open(Some(&path)).unwrap());
        let line = "x".repeat(1 << 12);
        let written = (0..1_000).take_while(|_| log.write(&line).is_ok()).count();
        assert!((1..1_000).contains(&written), "it is full: {written}");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let log = AuditLog::default();
        log.use_file(AuditFile::open(Some(Path::new("/dev/full"))).unwrap());
        assert!(log.write(&"line").is_err());
    }
}
