//! A plugin as the chain asks it, and the faults that may come instead of a verdict. Knows no plugin technology: the sandbox implements
//! [`Hook`], and tests do with plain Rust.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::caller::Caller;
use super::handshake::Handshake;
use super::kind::HookKind;
use super::verdict::{ConnectVerdict, HookResponse, PublishVerdict, SubscribeVerdict};
use protocol::Content;

/// A call's wait for what it needs before the plugin can be asked. It may end without success: then the plugin faults.
pub type PendingCall = Pin<Box<dyn Future<Output = ()>>>;

/// One plugin as a shard sees it. Calls are synchronous and short: the implementor keeps to its deadline.
pub trait Hook {
    /// What a call of `hook` has to wait for, if it would find the plugin not there. A call that does not wait is
    /// answered at once nevertheless, by a fault.
    fn pending(&mut self, _hook: HookKind) -> Option<PendingCall> {
        None
    }
    /// May this connection be, and who is it?
    fn connect(
        &mut self,
        handshake: &Arc<Handshake>,
        caller: &Arc<Caller>,
    ) -> Result<HookResponse<ConnectVerdict>, Fault>;
    /// May the caller subscribe to `channel`?
    fn subscribe(&mut self, caller: &Arc<Caller>, channel: &str) -> Result<HookResponse<SubscribeVerdict>, Fault>;
    /// Whether it is given binary data as it is. Who does not gets a JSON string in base64, and answers by one.
    fn takes_bytes(&self) -> bool {
        false
    }
    /// May the caller publish `data` in `channel`? It is JSON text, or, for who takes bytes, what `content` says.
    fn publish(
        &mut self,
        caller: &Arc<Caller>,
        channel: &str,
        content: Content,
        data: &[u8],
    ) -> Result<HookResponse<PublishVerdict>, Fault>;
    /// The caller's connection ended with this close code.
    fn disconnect(&mut self, caller: &Arc<Caller>, code: u16) -> Result<(), Fault>;
    /// What became of data that it just replaced, which only the chain can check: `Err` is a fault like any other.
    /// Follows each answer that replaces, and no other, for the same caller.
    fn judged(&mut self, hook: HookKind, caller: &Arc<Caller>, outcome: Result<(), &Fault>);
    /// Gives back what it holds if it was not used for long. Called every few seconds.
    fn evict_idle(&mut self, now: Instant);
}

/// A plugin did not decide. What that means for the client is the operator's [`OnFault`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The guest trapped; the text names the trap.
    #[error("trapped: {0}")]
    Trap(String),
    /// The guest ran past its deadline.
    #[error("ran past {0:?}")]
    Deadline(Duration),
    /// The guest wanted more memory than it may have, in bytes.
    #[error("wanted more than {0} bytes of memory")]
    Memory(usize),
    /// The guest answered with something the contract does not allow.
    #[error("answered with bad data: {0}")]
    BadOutput(String),
    /// The host could not serve the call.
    #[error("host error: {0}")]
    Host(String),
    /// No instance is ready: it is not made yet, or being rebuilt after a fault, or its circuit is open.
    #[error("not available: {0}")]
    Unavailable(&'static str),
    /// It was not asked, and is not for so long: calls of this client have faulted repeatedly.
    #[error("not asked for {0:?}: calls of this client faulted repeatedly")]
    Suspended(Duration),
}

/// What a fault means for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFault {
    /// Refused with 4503. The default: fail closed.
    #[default]
    Deny,
    /// As if the plugin had said allow (accept without a name, on connect).
    Allow,
    /// The plugin's last verdict for the same caller and channel; refused if there is none.
    Cached,
}
