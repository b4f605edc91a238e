//! The way of lines to stderr: a queue bounded in bytes, and a thread that writes. Who logs never waits for who reads.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use prometheus::IntCounter;

use super::line::{LogFormat, LogLine};

/// Bytes of lines that wait to be written.
pub(super) const QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// How long [`Sink::flush`] waits: at the end of the process, nobody may read any more.
const FLUSH: Duration = Duration::from_secs(1);

/// Where lines are put to be written.
pub(super) struct Sink {
    queue: Sender<Item>,
    state: Arc<SinkState>,
}

#[derive(Default)]
struct SinkState {
    queued_bytes: AtomicUsize,
    /// Lines that did not fit since the last one that was written.
    lost: AtomicU64,
}

enum Item {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(SyncSender<()>),
}

// === impl Sink ===

impl Sink {
    pub(super) fn start(to: impl Write + Send + 'static, format: LogFormat, lost: IntCounter) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "bounded by bytes: see `Sink::write`")]
        let (queue, items) = channel();
        let state = Arc::new(SinkState::default());
        let thread_state = state.clone();
        thread::Builder::new()
            .name("log".into())
            .spawn(move || run(&items, &thread_state, to, format, &lost))?;
        Ok(Self { queue, state })
    }

    /// Has `line` written, if there is room for it.
    pub(super) fn write(&self, line: Vec<u8>) {
        let bytes = line.len();
        let before = self.state.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > QUEUE_BYTES || self.queue.send(Item::Line(line)).is_err() {
            self.state.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything before is written, [`FLUSH`] at most.
    /// False: not everything, because nobody reads it.
    pub(super) fn flush(&self) -> bool {
        let (done, flushed) = sync_channel(1);
        self.queue.send(Item::Flush(done)).is_ok() && flushed.recv_timeout(FLUSH).is_ok()
    }
}

fn run(items: &Receiver<Item>, state: &SinkState, mut to: impl Write, format: LogFormat, lost: &IntCounter) {
    while let Ok(item) = items.recv() {
        match item {
            Item::Line(line) => {
                // There is nowhere to tell that stderr takes nothing.
                drop(to.write_all(&line));
                state.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Item::Flush(done) => drop(done.send(())),
        }
        let unread = state.lost.swap(0, Ordering::Relaxed);
        if unread > 0 {
            lost.inc_by(unread);
            drop(to.write_all(&LogLine::unread(unread).render(format)));
        }
    }
}
