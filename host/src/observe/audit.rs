//! The audit log of the admin API: one JSON object a line, in a file that is only appended to. Knows no HTTP. Whoever writes a
//! line waits until the system has it, and for a bounded time.

mod file;
mod writer;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub use file::AuditFile;
pub(crate) use writer::{AuditCounts, LineOutcome};

use writer::{AuditJob, AuditState, WaitingLine};

/// Bytes of a line at most, without its end.
pub const LINE_BYTES: usize = 8_192;
/// How long a call waits until its line is written.
const LINE_WAIT: Duration = Duration::from_secs(1);
/// Lines that wait for the file at most.
const LINES_WAITING: usize = 1_024;

/// Where calls are written down. Shared by all clones.
#[derive(Clone, Default)]
pub struct AuditLog(Arc<AuditQueue>);

#[derive(Default)]
struct AuditQueue {
    state: Arc<AuditState>,
    has_file: AtomicBool,
    /// To the thread that writes, once there was a file.
    jobs: OnceLock<SyncSender<AuditJob>>,
}

/// One line of the audit log, of at most [`LINE_BYTES`].
pub struct AuditText(String);

impl AuditText {
    /// The line of an entry; none if it is too long.
    pub fn of(entry: &impl Serialize) -> io::Result<Option<Self>> {
        let line = printable::in_json(serde_json::to_string(entry)?);
        Ok((line.len() <= LINE_BYTES).then_some(Self(line)))
    }
}

impl AuditLog {
    /// Lines go to `file` from now on, those that wait for the old one as well.
    pub fn use_file(&self, file: AuditFile) -> io::Result<()> {
        let queue = &self.0;
        let has_file = file.0.is_some();
        *queue.state.next.lock() = Some(file);
        queue.has_file.store(has_file, Ordering::Relaxed);
        if has_file && queue.jobs.get().is_none() {
            let (jobs, waiting) = sync_channel(LINES_WAITING);
            let state = queue.state.clone();
            let serve = move || state.serve(&waiting);
            std::thread::Builder::new().name("audit".into()).spawn(serve)?;
            // Files are put in place by one at a time.
            let _ = queue.jobs.set(jobs);
        }
        if let Some(jobs) = queue.jobs.get() {
            // If the queue is full, the next of its lines brings the thread here.
            let _ = jobs.try_send(AuditJob::Reopen);
        }
        Ok(())
    }

    /// Writes one line, and waits until the system has it: it survives this process, not a power cut. An error is not
    /// written, unless what the system does not answer for is written after all.
    pub async fn write(&self, line: AuditText) -> io::Result<()> {
        self.send(line, false).await
    }

    /// The same, for a line about what was done: it is written as soon as it can be, also after the wait for it.
    pub async fn write_owed(&self, line: AuditText) -> io::Result<()> {
        self.send(line, true).await
    }

    async fn send(&self, line: AuditText, is_owed: bool) -> io::Result<()> {
        let AuditQueue { state, has_file, jobs } = &*self.0;
        if !has_file.load(Ordering::Relaxed) {
            writer::log(&line.0);
            state.succeeded();
            return Ok(());
        }
        let Some(jobs) = jobs.get() else {
            let error = io::Error::other("there is no thread that writes it");
            state.failed(LineOutcome::Failed, &error);
            return Err(error);
        };
        let (written, outcome) = oneshot::channel();
        let line = WaitingLine {
            text: line.0,
            is_owed,
            written,
        };
        if jobs.try_send(AuditJob::Write(line)).is_err() {
            let error = io::Error::other(format!("{LINES_WAITING} lines wait for the file"));
            state.failed(LineOutcome::Late, &error);
            return Err(error);
        }
        if let Ok(outcome) = timeout(LINE_WAIT, outcome).await {
            return outcome.unwrap_or_else(|_| Err(io::Error::other("the thread that writes it is gone")));
        }
        let error = format!("a line was not written within {LINE_WAIT:?}");
        let error = io::Error::new(io::ErrorKind::TimedOut, error);
        state.failed(LineOutcome::Late, &error);
        Err(error)
    }

    /// A call has no line of its own.
    pub(crate) fn left_out(&self) {
        self.0.state.counts.count(LineOutcome::LeftOut);
    }

    /// Why the last line was not written, or not in time; none if it was.
    pub fn failure(&self) -> Option<String> {
        self.0.state.failure()
    }

    /// What became of lines.
    pub(crate) fn counts(&self) -> AuditCounts {
        self.0.state.counts.clone()
    }
}

#[cfg(test)]
mod tests;
