//! Tasks and their answers as bytes on a pipe between two processes of one build: a kind, then texts with their lengths.

use std::io::{self, Read, Write};

use super::task::CompilerTask;

const BINARY: u8 = 1;
const COMPILE: u8 = 2;
const SETTINGS: u8 = 3;

const DONE: u8 = 0;
const REFUSED: u8 = 1;

/// A task as it was read.
pub(super) struct TaskMessage {
    kind: u8,
    first: Vec<u8>,
    second: Vec<u8>,
}

impl TaskMessage {
    pub(super) fn task(&self) -> io::Result<CompilerTask<'_>> {
        let text = |bytes| str::from_utf8(bytes).map_err(io::Error::other);
        match self.kind {
            BINARY => Ok(CompilerTask::Binary(&self.first)),
            COMPILE => Ok(CompilerTask::Compile(&self.first)),
            SETTINGS => Ok(CompilerTask::Settings {
                schema: text(&self.first)?,
                settings: text(&self.second)?,
            }),
            kind => Err(io::Error::other(format!("there is no task {kind}"))),
        }
    }
}

pub(super) fn write_task(out: &mut impl Write, task: &CompilerTask<'_>) -> io::Result<()> {
    let (kind, first, second) = match task {
        CompilerTask::Binary(text) => (BINARY, *text, &[][..]),
        CompilerTask::Compile(binary) => (COMPILE, *binary, &[][..]),
        CompilerTask::Settings { schema, settings } => (SETTINGS, schema.as_bytes(), settings.as_bytes()),
    };
    out.write_all(&[kind])?;
    write_bytes(out, first)?;
    write_bytes(out, second)?;
    out.flush()
}

/// The next task; none when there will be no other.
pub(super) fn read_task(from: &mut impl Read) -> io::Result<Option<TaskMessage>> {
    let mut kind = [0];
    if from.read(&mut kind)? == 0 {
        return Ok(None);
    }
    Ok(Some(TaskMessage {
        kind: kind[0],
        first: read_bytes(from, u64::MAX)?,
        second: read_bytes(from, u64::MAX)?,
    }))
}

pub(super) fn write_answer(out: &mut impl Write, answer: &Result<Vec<u8>, String>) -> io::Result<()> {
    let (kind, bytes) = match answer {
        Ok(bytes) => (DONE, bytes.as_slice()),
        Err(reason) => (REFUSED, reason.as_bytes()),
    };
    out.write_all(&[kind])?;
    write_bytes(out, bytes)?;
    out.flush()
}

/// An answer of at most `limit` bytes.
pub(super) fn read_answer(from: &mut impl Read, limit: u64) -> io::Result<Result<Vec<u8>, String>> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    let bytes = read_bytes(from, limit)?;
    match kind[0] {
        DONE => Ok(Ok(bytes)),
        REFUSED => Ok(Err(String::from_utf8_lossy(&bytes).into_owned())),
        kind => Err(io::Error::other(format!("there is no answer {kind}"))),
    }
}

fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)
}

fn read_bytes(from: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > limit {
        return Err(io::Error::other(format!("{length} bytes are more than {limit}")));
    }
    // Grown as bytes come: the other side may have named a length that it never sends.
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut pipe = Vec::new();
        write_task(&mut pipe, &CompilerTask::Compile(b"\0asm")).unwrap();
        write_task(
            &mut pipe,
            &CompilerTask::Settings {
                schema: "{}",
                settings: "1",
            },
        )
        .unwrap();
        let mut from = pipe.as_slice();
        let first = read_task(&mut from).unwrap().unwrap();
        assert!(matches!(first.task().unwrap(), CompilerTask::Compile(b"\0asm")));
        let second = read_task(&mut from).unwrap().unwrap();
        assert!(matches!(
            second.task().unwrap(),
            CompilerTask::Settings {
                schema: "{}",
                settings: "1"
            }
        ));
        assert!(read_task(&mut from).unwrap().is_none());
        for answer in [Ok(b"code".to_vec()), Err("why".to_owned())] {
            let mut pipe = Vec::new();
            write_answer(&mut pipe, &answer).unwrap();
            assert_eq!(read_answer(&mut pipe.as_slice(), 4).unwrap(), answer);
            assert!(read_answer(&mut pipe.as_slice(), 2).is_err(), "over the limit");
            assert!(read_answer(&mut &pipe[..pipe.len() - 1], 4).is_err(), "cut off");
        }
    }

    #[test]
    fn a_length_alone_takes_no_memory() {
        let mut pipe = vec![DONE];
        pipe.extend((u64::MAX - 1).to_le_bytes());
        assert!(read_answer(&mut pipe.as_slice(), u64::MAX).is_err());
    }
}
