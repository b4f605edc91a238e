//! The outcome of a command: its reply, at once or later.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::ending::Ending;
use super::refusal::Refusal;
use protocol::names::Topic;
use protocol::{Encoded, Position};

/// A reply, or why there is none.
pub(super) type CommandResult = Result<CommandReply, Refusal>;

/// The result of applying a command.
pub(super) enum Outcome {
    Done(CommandResult),
    /// It waits for something outside of the session. This session waits in the order of its requests, and no other does.
    /// Dropping it undoes what it has done.
    Pending(Pin<Box<dyn Future<Output = CommandResult>>>),
    /// It waits before the chain is asked, so it has no place yet in the order of what it would begin. Nothing begins
    /// beside it.
    Unasked(Pin<Box<dyn Future<Output = CommandResult>>>),
}

/// The reply to the client, and its consequences.
pub(super) struct CommandReply {
    /// Empty if it was sent in parts.
    pub envelope: Encoded,
    /// Subscriptions whose messages may flow once the envelope is queued.
    pub releases: Vec<Release>,
    /// The connection ends after it.
    pub ending: Option<Ending>,
}

/// A subscription that is held in the hub until its ack is queued.
pub(super) struct Release {
    pub topic: Topic,
    /// The position up to which the ack has the history.
    pub after: Option<Position>,
    /// The version of the snapshot of who is present, if the ack has one.
    pub snapshot: Option<u64>,
}

impl From<Encoded> for CommandReply {
    fn from(envelope: Encoded) -> Self {
        Self {
            envelope,
            releases: Vec::new(),
            ending: None,
        }
    }
}

impl Outcome {
    pub(super) fn pending(answer: impl Future<Output = CommandResult> + 'static) -> Self {
        Self::Pending(Box::pin(answer))
    }

    pub(super) fn unasked(answer: impl Future<Output = CommandResult> + 'static) -> Self {
        Self::Unasked(Box::pin(answer))
    }

    /// Polls a pending outcome.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Pending(pending) | Self::Unasked(pending) = self {
            match pending.as_mut().poll(cx) {
                Poll::Ready(answer) => *self = Self::Done(answer),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    pub(super) async fn answer(self) -> CommandResult {
        match self {
            Self::Done(answer) => answer,
            Self::Pending(pending) | Self::Unasked(pending) => pending.await,
        }
    }
}
