//! Clients without a WebSocket: tickets, streams of events with posts beside them, and polls.

mod answers;
mod body;
mod events;
mod poll;
mod poll_body;
mod poll_head;
mod polled_session;
mod preflight;
mod send;
mod session_name;
mod ticket;

pub(super) use events::{AcceptedEvents, answer as events};
pub(super) use poll::{PollRequest, answer as poll};
pub(super) use poll_head::{AnswerLines, PollHead, WrittenAnswer};
pub(super) use polled_session::{BroughtPoll, PolledSession, WaitingPoll};
pub(super) use preflight::answer as preflight;
pub(super) use send::answer as send;
pub(super) use ticket::{TicketRequest, answer as ticket};
