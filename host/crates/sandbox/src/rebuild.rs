//! Builds instances off the hot path: a thread that makes what slots lost to a fault, when its time has come.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::binding::Binding;
use super::instance::{Instance, MakeError};

/// Requests that wait to be read. A slot has at most one pending, so this is more than the number of slots.
const QUEUE: usize = 4_096;

/// The way to the thread. It ends when this is dropped.
pub(super) struct Rebuilder(SyncSender<Job>);

/// An instance in the making.
pub(super) struct PendingInstance(Receiver<Result<Box<Instance>, MakeError>>);

/// How far it is.
pub(super) enum Progress {
    Waiting,
    Done(Box<Instance>),
    Failed(MakeError),
    /// Nobody works on it.
    Lost,
}

struct Job {
    due: Instant,
    binding: Weak<Binding>,
    done: SyncSender<Result<Box<Instance>, MakeError>>,
}

// === impl Rebuilder ===

impl Rebuilder {
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(QUEUE);
        thread::Builder::new()
            .name("rebuild".into())
            .spawn(move || run(&inbox))?;
        Ok(Self(jobs))
    }

    /// Has an instance made, after `delay`. None: the thread has too much to do.
    pub(super) fn request(&self, binding: &Arc<Binding>, delay: Duration) -> Option<PendingInstance> {
        let (done, pending) = sync_channel(1);
        let job = Job {
            due: Instant::now() + delay,
            binding: Arc::downgrade(binding),
            done,
        };
        self.0.try_send(job).ok()?;
        Some(PendingInstance(pending))
    }
}

impl PendingInstance {
    pub(super) fn poll(&self) -> Progress {
        match self.0.try_recv() {
            Ok(Ok(instance)) => Progress::Done(instance),
            Ok(Err(error)) => Progress::Failed(error),
            Err(TryRecvError::Empty) => Progress::Waiting,
            Err(TryRecvError::Disconnected) => Progress::Lost,
        }
    }
}

fn run(inbox: &Receiver<Job>) {
    let mut waiting: Vec<Job> = Vec::new();
    loop {
        let next = waiting.iter().map(|job| job.due).min();
        let job = match next {
            Some(due) => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match job {
            Ok(job) => waiting.push(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        for job in waiting.extract_if(.., |job| job.due <= now) {
            build(&job);
        }
    }
}

fn build(job: &Job) {
    // The binding is gone after a reload, and its slots with it.
    if let Some(binding) = job.binding.upgrade() {
        // Likewise the slot: nobody waits, and the instance is dropped.
        drop(job.done.send(binding.make()));
    }
}
