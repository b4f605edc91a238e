//! What a command answers: at once, or when what it waits for has come.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::ending::Ending;
use super::refusal::Refusal;
use protocol::names::Topic;
use protocol::{Json, Position};

/// A reply, or why there is none.
pub(super) type CommandResult = Result<CommandReply, Refusal>;

/// What became of a command.
pub(super) enum Outcome {
    Done(CommandResult),
    /// It waits for something outside of the session: the session waits in the order of its requests, and nobody else
    /// does. Dropping it takes back what is half done.
    Pending(Pin<Box<dyn Future<Output = CommandResult>>>),
}

/// What the client is sent, and what follows from it.
pub(super) struct CommandReply {
    pub envelope: Json,
    /// Subscriptions whose messages may flow once the envelope is queued.
    pub releases: Vec<Release>,
    /// The connection ends after it.
    pub ending: Option<Ending>,
}

/// A subscription that is held in the hub until its ack is queued.
pub(super) struct Release {
    pub topic: Topic,
    /// Up to where the ack has the history.
    pub after: Option<Position>,
    /// The version of the snapshot of who is present, if the ack has one.
    pub snapshot: Option<u64>,
}

impl From<Json> for CommandReply {
    fn from(envelope: Json) -> Self {
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

    /// Goes on with what is pending; ready when it is done.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Pending(pending) = self {
            match pending.as_mut().poll(cx) {
                Poll::Ready(answer) => *self = Self::Done(answer),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    #[cfg(test)]
    pub(super) async fn answer(self) -> CommandResult {
        match self {
            Self::Done(answer) => answer,
            Self::Pending(pending) => pending.await,
        }
    }
}
