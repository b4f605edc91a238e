//! The signals of the system.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    user_2: Signal,
}

/// What a signal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignalMeaning {
    End,
    Reload,
    /// Start another process, to take over.
    HandOver,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            user_2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> SignalMeaning {
        tokio::select! {
            _ = self.hangup.recv() => SignalMeaning::Reload,
            _ = self.terminate.recv() => SignalMeaning::End,
            _ = self.interrupt.recv() => SignalMeaning::End,
            _ = self.user_2.recv() => SignalMeaning::HandOver,
        }
    }

    /// Waits for one to end. All others stay for later.
    pub(super) async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
