//! The pending requests of a connection, which were begun and are not answered, in their order.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::outcome::{CommandResult, Outcome};
use super::refusal::Refusal;
use protocol::RequestId;

/// Pending requests of one connection at most. At that number it reads nothing more from its client.
const PENDING_REQUESTS: usize = 64;

#[derive(Default)]
pub(super) struct PendingRequests(VecDeque<PendingRequest>);

struct PendingRequest {
    id: RequestId,
    outcome: Outcome,
    /// Publishes behind it may begin.
    has_company: bool,
}

impl PendingRequests {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a further publish may begin beside the pending ones.
    pub(super) fn has_room(&self) -> bool {
        let may_begin = self.0.back().is_none_or(|last| last.has_company);
        may_begin && self.0.len() < PENDING_REQUESTS
    }

    pub(super) fn push(&mut self, id: RequestId, outcome: Outcome, has_company: bool) {
        self.0.push_back(PendingRequest {
            id,
            outcome,
            has_company,
        });
    }

    /// Takes the answer of the first, if there is one.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<(RequestId, CommandResult)> {
        if let Some(first) = self.0.front_mut()
            && first.outcome.poll(cx).is_ready()
            && let Some(PendingRequest { id, outcome, .. }) = self.0.pop_front()
            && let Outcome::Done(answer) = outcome
        {
            return Poll::Ready((id, answer));
        }
        Poll::Pending
    }

    /// Waits until the first is done; for ever if there is none.
    pub(super) async fn first_is_done(&mut self) {
        poll_fn(|cx| match self.0.front_mut() {
            Some(first) => first.outcome.poll(cx),
            None => Poll::Pending,
        })
        .await;
    }

    /// The refusals that were not sent yet.
    pub(super) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.0.iter().filter_map(|request| match &request.outcome {
            Outcome::Done(Err(refusal)) => Some(refusal),
            _ => None,
        })
    }

    /// Drops the pending requests, which undoes what they have done.
    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    /// Releases the memory of an empty queue.
    pub(super) fn rest(&mut self) {
        if self.0.is_empty() {
            self.clear();
        }
    }
}
