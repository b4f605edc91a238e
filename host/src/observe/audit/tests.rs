use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::*;

fn line(entry: &impl Serialize) -> AuditText {
    AuditText::of(entry).unwrap().unwrap()
}

fn log_to(path: &Path) -> AuditLog {
    let log = AuditLog::default();
    log.use_file(AuditFile::open(Some(path)).unwrap()).unwrap();
    log
}

#[tokio::test]
async fn appends_whole_lines_that_only_the_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    for n in 0..2 {
        log_to(&path)
            .write(line(&json!({ "n": n, "text": "a\nb" })))
            .await
            .unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "{\"n\":0,\"text\":\"a\\nb\"}\n{\"n\":1,\"text\":\"a\\nb\"}\n");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_line_is_bounded_as_it_is_written() {
    let (fits, over) = ("x".repeat(LINE_BYTES - 2), "x".repeat(LINE_BYTES - 1));
    assert!(AuditText::of(&fits).unwrap().is_some());
    assert!(AuditText::of(&over).unwrap().is_none());
    // Each of these is shown by six bytes.
    let hidden = "\u{202e}".repeat(LINE_BYTES / 5);
    assert!(AuditText::of(&hidden).unwrap().is_none());
}

#[tokio::test]
async fn a_pipe_is_not_waited_for() {
    use rustix::fs::{CWD, Mode, mkfifoat};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    assert!(AuditFile::open(Some(&path)).is_err(), "nobody reads it");
    let _reader = File::options().read(true).write(true).open(&path).unwrap();
    let log = log_to(&path);
    let mut written = 0;
    while log.write(line(&"x".repeat(1 << 12))).await.is_ok() {
        written += 1;
        assert!(written < 1_000, "a pipe is full at some time");
    }
    assert!(written > 0);
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_is_told_until_a_line_is_written() {
    let log = log_to(Path::new("/dev/full"));
    assert_eq!(log.failure(), None);
    assert!(log.write(line(&"line")).await.is_err());
    assert!(log.failure().unwrap().contains("No space left"), "{:?}", log.failure());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    log.use_file(AuditFile::open(Some(&path)).unwrap()).unwrap();
    log.write(line(&"next")).await.unwrap();
    assert_eq!(log.failure(), None);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "\"next\"\n");
    let text = shown(&log);
    for expected in [
        "sluicegate_audit_failing 0",
        "sluicegate_audit_lines_total{result=\"failed\"} 1",
        "sluicegate_audit_lines_total{result=\"written\"} 1",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

fn shown(log: &AuditLog) -> String {
    let metrics = crate::observe::Metrics::new();
    metrics.show(log.counts());
    String::from_utf8(metrics.render()).unwrap()
}

/// A log whose file does not answer: a pipe that is full.
fn stuck() -> (AuditLog, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let log = AuditLog::default();
    log.use_file(AuditFile::of(OwnedFd::from(writer).into())).unwrap();
    (log, reader)
}

/// More than a pipe takes. The clock stands still while there is something to do, so every wait is over at once.
async fn fill(log: &AuditLog) -> usize {
    for written in 0..1_000 {
        if log.write(line(&"x".repeat(LINE_BYTES - 2))).await.is_err() {
            return written;
        }
    }
    panic!("the pipe takes everything");
}

#[tokio::test]
async fn a_file_that_does_not_answer_is_waited_for_a_bounded_time() {
    let (log, mut reader) = stuck();
    let written = fill(&log).await;
    assert!(
        log.failure().unwrap().contains("not written within 1s"),
        "{:?}",
        log.failure()
    );
    assert!(shown(&log).contains("sluicegate_audit_failing 1"));
    // What waits behind it is refused likewise: the one is not written any more, the other is owed.
    tokio::time::pause();
    assert_eq!(
        log.write(line(&"given up")).await.unwrap_err().kind(),
        io::ErrorKind::TimedOut
    );
    assert_eq!(
        log.write_owed(line(&"owed")).await.unwrap_err().kind(),
        io::ErrorKind::TimedOut
    );
    // Another file is taken as soon as the system answers for the first.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    log.use_file(AuditFile::open(Some(&path)).unwrap()).unwrap();
    let mut first = vec![0; (written + 1) * (LINE_BYTES + 1)];
    reader.read_exact(&mut first).unwrap();
    tokio::time::resume();
    log.write(line(&"last")).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "\"owed\"\n\"last\"\n");
    assert_eq!(log.failure(), None);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"", "the first file is closed");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_lines_wait() {
    let (log, _reader) = stuck();
    let mut waiting = Vec::new();
    for _ in 0..3 * LINES_WAITING {
        let log = log.clone();
        let owed = async move { log.write_owed(line(&"x".repeat(LINE_BYTES - 2))).await };
        waiting.push(tokio::spawn(owed));
    }
    let mut full = 0;
    for waiting in waiting {
        let error = waiting.await.unwrap().err();
        full += usize::from(error.is_some_and(|error| error.to_string().contains("lines wait for the file")));
    }
    // A pipe takes a few.
    assert!((2 * LINES_WAITING - 64..=2 * LINES_WAITING).contains(&full), "{full}");
}
