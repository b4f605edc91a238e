//! A plugin's place in a chain, and what the operator says about it.

use std::sync::Arc;

use super::hook::{Hook, OnFault};
use super::kind::Hooks;

/// One plugin in a chain, with the hooks that are asked of it.
pub struct ChainStep {
    /// The plugin's name in the config: clients see it in the errors it causes.
    pub plugin: Arc<str>,
    /// The hooks that are asked here.
    pub hooks: Hooks,
    /// What a fault means, by hook.
    pub on_fault: FaultRules,
    pub hook: Box<dyn Hook>,
}

/// What a fault means, hook by hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRules {
    /// `cached` means `deny` here: an old verdict lets nobody in.
    pub connect: OnFault,
    pub subscribe: OnFault,
    pub publish: OnFault,
}

/// What the tenant decides when no plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// A connection that no plugin accepted is taken, without a user.
    pub anonymous: bool,
    /// A subscription or message that no plugin allowed is allowed.
    pub allow: bool,
    /// Bytes of a message's data at most, replaced data included.
    pub message_bytes: usize,
}
