//! The thread that writes lines to the audit log, one after the other. A file system that does not answer holds up this thread
//! and nobody else.

use std::io;
use std::sync::mpsc::Receiver;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGauge, Opts};
use tokio::sync::oneshot;

use super::file::{AuditFile, LineFile};

/// What the thread is to do.
pub(super) enum AuditJob {
    Write(WaitingLine),
    /// Look for another file: the old one is closed, though nobody writes a line.
    Reopen,
}

/// A line that somebody waits for.
pub(super) struct WaitingLine {
    pub text: String,
    /// Written also when nobody waits any more: it tells of what was done.
    pub is_owed: bool,
    pub written: oneshot::Sender<io::Result<()>>,
}

/// What the thread shares with those who write.
#[derive(Default)]
pub(super) struct AuditState {
    /// The file in place of the one in use, since it was opened.
    pub next: Mutex<Option<AuditFile>>,
    /// Why the last line was not written, or not in time.
    failure: Mutex<Option<String>>,
    pub counts: AuditCounts,
}

/// What became of lines, for the metrics.
#[derive(Clone)]
pub(crate) struct AuditCounts {
    lines: IntCounterVec,
    failing: IntGauge,
}

/// What became of a line, or of a call that has none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LineOutcome {
    Written,
    Failed,
    /// Nobody waited any more.
    Late,
    /// One of too many calls with a key, or without one: it is in the count of a summary.
    LeftOut,
}

// === impl LineOutcome ===

impl LineOutcome {
    const ALL: [Self; 4] = [Self::Written, Self::Failed, Self::Late, Self::LeftOut];

    fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::LeftOut => "left_out",
        }
    }
}

// === impl AuditCounts ===

impl Default for AuditCounts {
    fn default() -> Self {
        let lines = Opts::new(
            "sluicegate_audit_lines_total",
            "Lines of the audit log by what became of them, and calls that are in a summary only.",
        );
        let lines = IntCounterVec::new(lines, &["result"]).expect("metric names are valid");
        for outcome in LineOutcome::ALL {
            lines.with_label_values(&[outcome.word()]);
        }
        let failing = IntGauge::new(
            "sluicegate_audit_failing",
            "1: the last line of the audit log was not written, or not in time, and admin calls are refused.",
        );
        Self {
            lines,
            failing: failing.expect("metric names are valid"),
        }
    }
}

impl AuditCounts {
    pub(super) fn count(&self, outcome: LineOutcome) {
        self.lines.with_label_values(&[outcome.word()]).inc();
    }
}

impl Collector for AuditCounts {
    fn desc(&self) -> Vec<&Desc> {
        [self.lines.desc(), self.failing.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        [self.lines.collect(), self.failing.collect()].concat()
    }
}

// === impl AuditState ===

impl AuditState {
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    pub(super) fn succeeded(&self) {
        self.counts.count(LineOutcome::Written);
        self.counts.failing.set(0);
        *self.failure.lock() = None;
    }

    pub(super) fn failed(&self, outcome: LineOutcome, error: &io::Error) {
        self.counts.count(outcome);
        self.counts.failing.set(1);
        *self.failure.lock() = Some(error.to_string());
    }

    /// Does what comes, until nobody can send any more.
    pub(super) fn serve(&self, jobs: &Receiver<AuditJob>) {
        let mut file: Option<LineFile> = None;
        while let Ok(job) = jobs.recv() {
            let next = self.next.lock().take();
            if let Some(AuditFile(next)) = next {
                file = next.map(|next| next.after(file.as_ref()));
            }
            let AuditJob::Write(line) = job else { continue };
            if line.written.is_closed() && !line.is_owed {
                // Its call was refused meanwhile, and must not be there as if it had been carried out.
                continue;
            }
            let outcome = file.as_mut().map_or_else(
                || {
                    log(&line.text);
                    Ok(())
                },
                |file| file.write(&line.text),
            );
            match &outcome {
                Ok(()) => self.succeeded(),
                Err(error) => self.failed(LineOutcome::Failed, error),
            }
            // Who asked may not wait any more.
            let _ = line.written.send(outcome);
        }
    }
}

/// A line of an audit log without a file.
pub(super) fn log(line: &str) {
    tracing::info!(target: "audit", "{line}");
}
