//! Tickets: a client that can set no header brings one in its query, once, instead of its token. Knows no request and no
//! session; what a token says is read by whoever gets it back.
//!
//! A store keeps a ticket under its hash, and the token sealed by the ticket: whoever reads the store has neither.

#[cfg(test)]
mod conformance;
mod memory;
pub mod redis;
mod secret;
mod store;

use std::sync::Arc;
use std::time::Duration;

use wall_clock::now_ms;

pub use memory::MemoryTicketStore;
pub use store::{
    IssueRefused, Opens, SealedTicket, TOKEN_BYTES, TicketId, TicketReply, TicketStore, TicketsUnavailable,
};

use secret::Secret;

/// For how long a ticket can be redeemed.
pub const REDEEMABLE: Duration = Duration::from_secs(30);
/// For how long a ticket resumes the stream that it opened, if its token does not end earlier.
pub const RESUMABLE: Duration = Duration::from_hours(24);

/// The tickets of all tenants.
#[derive(Clone)]
pub struct Tickets {
    store: Arc<dyn TicketStore>,
}

// === impl Tickets ===

impl Tickets {
    pub fn new(store: Arc<dyn TicketStore>) -> Self {
        Self { store }
    }

    /// A ticket for this token, which ends at `expires_ms` (since the Unix epoch) if it says so. The tenant has `at_most` so
    /// many tickets that can be redeemed or resume a stream: where there are more, one that resumes gives way, and its client
    /// needs a new one; one that was not redeemed never does.
    pub async fn issue(
        &self,
        tenant: &str,
        token: &str,
        expires_ms: Option<u64>,
        at_most: usize,
    ) -> Result<String, IssueRefused> {
        if token.len() > TOKEN_BYTES {
            return Err(IssueRefused::TokenTooLarge);
        }
        let secret = Secret::random();
        let left = expires_ms.map(|end| Duration::from_millis(end.saturating_sub(now_ms())));
        let ticket = SealedTicket {
            id: secret.id(),
            sealed: secret.seal(tenant, token),
            redeemable: REDEEMABLE,
            resumable: left.unwrap_or(RESUMABLE).min(RESUMABLE),
        };
        self.store.keep(tenant, ticket, at_most).await?;
        Ok(secret.to_text())
    }

    /// The token behind a ticket that opens something, once. None if it was redeemed, is too old, or is none of this tenant's.
    pub async fn redeem(&self, tenant: &str, ticket: &str, opens: Opens) -> Result<Option<String>, TicketsUnavailable> {
        let Some(secret) = Secret::parse(ticket) else {
            return Ok(None);
        };
        let sealed = self.store.take(tenant, secret.id(), opens).await?;
        Ok(sealed.and_then(|sealed| open(&secret, tenant, sealed)))
    }

    /// The token behind a ticket that opened a stream, as often as it is asked for while the token is good. None for any other.
    pub async fn resume(&self, tenant: &str, ticket: &str) -> Result<Option<String>, TicketsUnavailable> {
        let Some(secret) = Secret::parse(ticket) else {
            return Ok(None);
        };
        let sealed = self.store.find(tenant, secret.id()).await?;
        Ok(sealed.and_then(|sealed| open(&secret, tenant, sealed)))
    }
}

fn open(secret: &Secret, tenant: &str, sealed: Vec<u8>) -> Option<String> {
    let token = secret.open(tenant, sealed);
    if token.is_none() {
        tracing::error!(tenant, "what is kept of a ticket was changed by somebody else");
    }
    token
}
