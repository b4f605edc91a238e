//! What remains to be done for a request where its session is, or will be: on the shard of its connection. The routes know no
//! shard, so it travels with their answer.

use axum::response::Response;

use super::over_http::{AcceptedEvents, PollRequest, TicketRequest};

/// An extension of an answer that is none yet.
#[derive(Clone)]
pub(super) enum ShardStep {
    /// The socket is a session's, which writes the answer.
    Events(Box<AcceptedEvents>),
    /// What its session says is the answer, which is written when there is something.
    Poll(PollRequest),
    /// The tenant's plugins judge the token.
    Ticket(Box<TicketRequest>),
}

impl From<ShardStep> for Response {
    fn from(step: ShardStep) -> Self {
        let mut response = Self::default();
        response.extensions_mut().insert(step);
        response
    }
}
