//! The tickets that nodes share, in Redis. A tenant's keys have one hash tag: one server decides on its tickets.

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis_client::{Failure, Script, Topology, Value, cmd};
use sluicegate_contract::hex;

use crate::store::{
    GIVE_WAY, IssueRefused, Opens, SealedTicket, TicketId, TicketReply, TicketStore, TicketsUnavailable,
};

static KEEP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("keep.lua")));
static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// Tickets in Redis.
pub struct RedisTicketStore {
    servers: Arc<Topology>,
    prefix: Box<str>,
}

// === impl RedisTicketStore ===

impl RedisTicketStore {
    /// The store under `prefix`.
    pub fn new(servers: Arc<Topology>, prefix: &str) -> Self {
        Self {
            servers,
            prefix: prefix.into(),
        }
    }

    fn name(&self, tenant: &str, rest: &str) -> String {
        format!("{}:{{{tenant}}}:{rest}", self.prefix)
    }

    fn ticket(&self, tenant: &str, id: TicketId) -> String {
        self.name(tenant, &format!("ticket:{}", hex::encode(&id.0)))
    }

    fn keys(&self, tenant: &str, id: TicketId) -> [String; 3] {
        [
            self.ticket(tenant, id),
            self.name(tenant, "tickets"),
            self.name(tenant, "tickets:resuming"),
        ]
    }

    async fn keep(&self, tenant: &str, ticket: SealedTicket, at_most: usize) -> Result<(), IssueRefused> {
        let call = KEEP
            .call(self.keys(tenant, ticket.id))
            .arg(hex::encode(&ticket.id.0))
            .arg(ticket.sealed)
            .arg(millis(ticket.redeemable))
            .arg(millis(ticket.resumable))
            .arg(at_most)
            .arg(GIVE_WAY)
            .arg(self.name(tenant, "ticket:"))
            .run();
        let answer = self.servers.call(&call).await.map_err(TicketsUnavailable::from)?;
        let Value::Array(answer) = answer else {
            return Err(not_the_script().into());
        };
        match answer.as_slice() {
            [] => Ok(()),
            [Value::Int(left)] => Err(IssueRefused::Full {
                limit: at_most,
                retry_after: Duration::from_millis(u64::try_from(*left).unwrap_or(1)),
            }),
            _ => Err(not_the_script().into()),
        }
    }

    async fn take(&self, tenant: &str, id: TicketId, opens: Opens) -> Result<Option<Vec<u8>>, TicketsUnavailable> {
        let call = TAKE
            .call(self.keys(tenant, id))
            .arg(hex::encode(&id.0))
            .arg(u8::from(opens == Opens::Stream))
            .run();
        sealed(self.servers.call(&call).await?)
    }

    async fn find(&self, tenant: &str, id: TicketId) -> Result<Option<Vec<u8>>, TicketsUnavailable> {
        let name = self.ticket(tenant, id);
        let mut get = cmd("HMGET");
        get.arg(&name).arg("redeemed").arg("sealed");
        match self.servers.run(name.as_bytes(), &get).await? {
            Value::Array(fields) => match <[Value; 2]>::try_from(fields) {
                Ok([Value::Nil, _]) => Ok(None),
                Ok([_, token]) => sealed(token),
                Err(_) => Err(not_the_script()),
            },
            _ => Err(not_the_script()),
        }
    }
}

impl TicketStore for RedisTicketStore {
    fn keep<'a>(&'a self, tenant: &'a str, ticket: SealedTicket, at_most: usize) -> TicketReply<'a, (), IssueRefused> {
        Box::pin(self.keep(tenant, ticket, at_most))
    }

    fn take<'a>(&'a self, tenant: &'a str, id: TicketId, opens: Opens) -> TicketReply<'a, Option<Vec<u8>>> {
        Box::pin(self.take(tenant, id, opens))
    }

    fn find<'a>(&'a self, tenant: &'a str, id: TicketId) -> TicketReply<'a, Option<Vec<u8>>> {
        Box::pin(self.find(tenant, id))
    }
}

fn sealed(answer: Value) -> Result<Option<Vec<u8>>, TicketsUnavailable> {
    match answer {
        Value::BulkString(sealed) => Ok(Some(sealed)),
        Value::Nil => Ok(None),
        _ => Err(not_the_script()),
    }
}

fn not_the_script() -> TicketsUnavailable {
    TicketsUnavailable("Redis answers what it should not".into())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<Failure> for TicketsUnavailable {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}
