//! The file of the audit log: only appended to, for its owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Only the broker's user may read who did what.
const FILE_MODE: u32 = 0o600;

/// A file that was opened, to be used from [`AuditLog::use_file`](super::AuditLog::use_file) on; none for the broker's log.
pub struct AuditFile(pub(super) Option<LineFile>);

/// A file of lines.
pub(super) struct LineFile {
    file: File,
    /// The last line was written in part, and another one must not go on where it ends.
    is_torn: bool,
}

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
        let file = path.map(open).transpose()?;
        Ok(Self(file.map(LineFile::new)))
    }

    #[cfg(test)]
    pub(super) fn of(file: File) -> Self {
        Self(Some(LineFile::new(file)))
    }
}

impl LineFile {
    fn new(file: File) -> Self {
        Self { file, is_torn: false }
    }

    /// Takes the place of `old`, which may be the same file by another name.
    pub(super) fn after(mut self, old: Option<&Self>) -> Self {
        let has_content = self.file.metadata().is_ok_and(|metadata| metadata.len() > 0);
        self.is_torn = has_content && old.is_some_and(|old| old.is_torn);
        self
    }

    pub(super) fn write(&mut self, line: &str) -> io::Result<()> {
        write_line(&mut self.file, &mut self.is_torn, line)
    }
}

/// Writes one line. `is_torn`: the last one was written in part; then it ends here first.
fn write_line(file: &mut impl Write, is_torn: &mut bool, line: &str) -> io::Result<()> {
    let begin = if *is_torn { "\n" } else { "" };
    // One write, so that lines of two writers to the same file stay apart.
    let bytes = [begin, line, "\n"].concat().into_bytes();
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(some @ 1..) => {
                written += some;
                *is_torn = written > begin.len() && written < bytes.len();
            }
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that has room for so many bytes more.
    struct Disk {
        room: usize,
        text: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let some = bytes.len().min(self.room).min(2);
            self.text.extend(&bytes[..some]);
            self.room -= some;
            Ok(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_torn_does_not_take_the_next_one_with_it() {
        for (room, expected) in [
            (0, "one\ntwo\n"),
            (1, "o\none\ntwo\n"),
            (3, "one\none\ntwo\n"),
            (4, "one\ntwo\n"),
        ] {
            let (mut disk, mut is_torn) = (Disk { room, text: Vec::new() }, false);
            let first = write_line(&mut disk, &mut is_torn, "one");
            assert_eq!(first.is_ok(), room == 4);
            if first.is_err() {
                // It has room for the end of the torn line, and no more.
                disk.room = usize::from(is_torn);
                assert!(write_line(&mut disk, &mut is_torn, "lost").is_err());
                assert!(!is_torn);
                disk.room = usize::MAX;
                write_line(&mut disk, &mut is_torn, "one").unwrap();
            }
            disk.room = usize::MAX;
            write_line(&mut disk, &mut is_torn, "two").unwrap();
            assert_eq!(String::from_utf8(disk.text).unwrap(), expected, "{room}");
        }
    }

    #[test]
    fn the_same_file_by_another_name_is_torn_still_and_a_new_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| AuditFile::open(Some(&folder.path().join(name))).unwrap().0.unwrap();
        let mut old = open("audit.jsonl");
        old.file.write_all(b"torn").unwrap();
        old.is_torn = true;
        open("audit.jsonl").after(Some(&old)).write("next").unwrap();
        open("new.jsonl").after(Some(&old)).write("first").unwrap();
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (text("audit.jsonl"), text("new.jsonl")),
            ("torn\nnext\n".into(), "first\n".into())
        );
    }
}
