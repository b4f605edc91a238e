//! What a store of tickets does.

use std::pin::Pin;
use std::time::Duration;

use thiserror::Error;

/// What a store answers, perhaps after a wait for the network.
pub type TicketReply<'a, T, E = TicketsUnavailable> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// What a ticket is kept under: the SHA-256 of its random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub [u8; 32]);

/// A ticket as a store sees it.
#[derive(Clone, Debug)]
pub struct SealedTicket {
    pub id: TicketId,
    /// The token, which the ticket alone opens.
    pub sealed: Vec<u8>,
    /// For how long it can be redeemed.
    pub redeemable: Duration,
    /// For how long, from now on, it resumes what it opened.
    pub resumable: Duration,
}

/// What is opened by a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// The ticket is spent.
    WebSocket,
    /// The ticket can resume the stream: who reads server-sent events repeats the URL.
    Stream,
}

/// The contract of every store of tickets; the suite in `conformance` checks it.
pub trait TicketStore: Send + Sync {
    /// Keeps a ticket, one of `at_most` so many of its tenant. What is too old does not count. Where there are as many, those
    /// that resume give way, the one that ends first before the others.
    fn keep<'a>(&'a self, tenant: &'a str, ticket: SealedTicket, at_most: usize) -> TicketReply<'a, (), IssueRefused>;

    /// Redeems a ticket. Of any number that ask for one at the same time, on whatever node, one gets it.
    fn take<'a>(&'a self, tenant: &'a str, id: TicketId, opens: Opens) -> TicketReply<'a, Option<Vec<u8>>>;

    /// Finds a ticket that opened a stream.
    fn find<'a>(&'a self, tenant: &'a str, id: TicketId) -> TicketReply<'a, Option<Vec<u8>>>;
}

/// Bytes of a token at most.
pub const TOKEN_BYTES: usize = 8_192;
/// Tickets that give way to one that is issued, at most: more than are added, so that a limit that was lowered is reached.
pub(crate) const GIVE_WAY: usize = 2;

/// Why no ticket is issued.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssueRefused {
    /// None of them was redeemed.
    #[error("the tenant has {limit} tickets, as many as limits.tickets allows")]
    Full {
        limit: usize,
        /// When the first of them is too old.
        retry_after: Duration,
    },
    #[error("the token has more than {TOKEN_BYTES} bytes")]
    TokenTooLarge,
    #[error(transparent)]
    Unavailable(#[from] TicketsUnavailable),
}

/// The store cannot be asked. It says why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("tickets cannot be read or written: {0}")]
pub struct TicketsUnavailable(pub String);
