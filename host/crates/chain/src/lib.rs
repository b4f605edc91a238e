//! The ordered hooks of a tenant: asks each in turn and makes one decision of their verdicts. Pure: knows no plugin
//! technology, no socket and no backplane.
//!
//! Any deny ends the chain. Connect: the first accept names the identity. Subscribe and publish: one
//! allow is needed unless the tenant's default is allow. A fault is no verdict; what it means is decided
//! here, by the operator's [`OnFault`], and nowhere else.

mod caller;
mod decision;
mod handshake;
mod hook;
mod kind;
mod permit;
#[cfg(test)]
mod tests;
mod verdict;
mod verdict_cache;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

pub use caller::{AttributeLimit, Caller};
pub use decision::Denied;
pub use handshake::{Handshake, Headers, Upgrade};
pub use hook::{Fault, Hook, OnFault, PendingCall};
pub use kind::{HookKind, Hooks};
pub use permit::{Message, Permit, Unfit};
pub use verdict::{ConnectVerdict, Denial, Grant, HookResponse, Identity, Penalty, PublishVerdict, SubscribeVerdict};

use decision::Replaced;
use protocol::names::{Channel, Topic};
use verdict_cache::{CacheKey, CachedVerdict};

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

/// What the chain decides about a message that it does not refuse.
#[derive(Debug)]
pub enum PublishDecision {
    /// It is published by this permit.
    Pass(Permit<Message>),
    /// A plugin discarded it: it is acknowledged, and nobody receives it.
    Discard,
}

/// A tenant's chain on one shard.
pub struct Chain {
    /// Tells this chain from the one before a reload.
    serial: u64,
    steps: Vec<ChainStep>,
    defaults: Defaults,
    /// Nothing is allowed, not even by what was granted before.
    is_closed: bool,
}

// === impl Chain ===

impl Chain {
    /// A chain that asks `steps` in their order.
    pub fn new(steps: Vec<ChainStep>, defaults: Defaults) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            steps,
            defaults,
            is_closed: false,
        }
    }

    /// A chain that refuses everything to everybody, whatever they were granted before.
    pub fn closed() -> Self {
        let defaults = Defaults {
            anonymous: false,
            allow: false,
            message_bytes: 0,
        };
        Self {
            is_closed: true,
            ..Self::new(Vec::new(), defaults)
        }
    }

    /// What a call of `hook` has to wait for: a plugin whose instance is being made. All that the call needs are being
    /// made when this returns. None, without a lock or an allocation, if the chain can be asked now.
    ///
    /// `channel` is that of a subscription or message. A plugin whose verdict on it is remembered is not waited for.
    pub fn pending(&mut self, hook: HookKind, caller: &Caller, channel: Option<&Channel>) -> Option<PendingCall> {
        let mut first = None;
        for (index, step) in self.steps.iter_mut().enumerate() {
            if !step.hooks.has(hook) {
                continue;
            }
            let Some(pending) = step.hook.pending(hook) else {
                continue;
            };
            let remembered = channel.is_some_and(|channel| {
                let key = CacheKey {
                    chain: self.serial,
                    step: index,
                    hook,
                    channel: channel.as_str(),
                };
                caller.verdicts.lock().fresh(key, Instant::now).is_some()
            });
            if !remembered {
                first.get_or_insert(pending);
            }
        }
        first
    }

    /// Asks who the caller is (`handshake.is_refresh`: still is). Plugins after the one that accepted see
    /// whom it named; after the chain the caller has its earlier identity until the session calls [`Caller::identify`].
    pub fn connect(&mut self, handshake: &Arc<Handshake>, caller: &Arc<Caller>) -> Result<Identity, Denied> {
        let before = caller.identity();
        let outcome = self.ask_connect(handshake, caller);
        let named = caller.user();
        caller.show(before);
        outcome.map_err(|denied| denied.of(named))
    }

    fn ask_connect(&mut self, handshake: &Arc<Handshake>, caller: &Arc<Caller>) -> Result<Identity, Denied> {
        let mut accepted: Option<Identity> = None;
        for step in asked(&mut self.steps, HookKind::Connect) {
            let verdict = match step.hook.connect(handshake, caller) {
                Ok(response) => response.verdict,
                Err(fault) => match step.on_fault.connect {
                    OnFault::Allow => ConnectVerdict::Accept(Identity::default()),
                    OnFault::Deny | OnFault::Cached => {
                        return Err(Denied::fault(&step.plugin, &fault));
                    }
                },
            };
            match verdict {
                ConnectVerdict::Abstain => {}
                ConnectVerdict::Accept(identity) => {
                    if accepted.is_none() {
                        caller.show(identity.clone());
                        accepted = Some(identity);
                    }
                }
                ConnectVerdict::Deny(denial) => return Err(Denied::by(&step.plugin, denial)),
            }
        }
        match accepted {
            Some(identity) => Ok(identity),
            None if self.defaults.anonymous => Ok(Identity::default()),
            None => Err(Denied::not_authenticated()),
        }
    }

    /// Asks whether the caller may subscribe to `channel`, and what else it may do there.
    pub fn subscribe(&mut self, caller: &Arc<Caller>, channel: &Channel) -> Result<Grant, Denied> {
        let mut granted: Option<Grant> = None;
        for (index, step) in self.steps.iter_mut().enumerate() {
            if !step.hooks.has(HookKind::Subscribe) {
                continue;
            }
            let key = CacheKey {
                chain: self.serial,
                step: index,
                hook: HookKind::Subscribe,
                channel: channel.as_str(),
            };
            match ask_subscribe(step, caller, key)? {
                SubscribeVerdict::Abstain => {}
                SubscribeVerdict::Allow(grant) => {
                    granted = Some(granted.map_or(grant, |before| decision::union(before, grant)));
                }
                SubscribeVerdict::Deny(denial) => return Err(Denied::by(&step.plugin, denial)),
            }
        }
        match granted {
            Some(grant) => Ok(grant),
            None if self.defaults.allow => Ok(decision::EVERYTHING),
            None => Err(Denied::nobody_allowed()),
        }
    }

    /// Asks whether `data` may be published in `channel`. `granted`: the caller's subscription to it was
    /// granted publishing, which counts as an allow.
    pub fn publish(
        &mut self,
        caller: &Arc<Caller>,
        channel: &Channel,
        data: Bytes,
        granted: bool,
    ) -> Result<PublishDecision, Denied> {
        let mut data = data;
        let mut tags = Vec::new();
        let mut allowed = !self.is_closed && (granted || self.defaults.allow);
        for (index, step) in self.steps.iter_mut().enumerate() {
            if !step.hooks.has(HookKind::Publish) {
                continue;
            }
            let key = CacheKey {
                chain: self.serial,
                step: index,
                hook: HookKind::Publish,
                channel: channel.as_str(),
            };
            let asked = ask_publish(step, caller, key, &data, self.defaults.message_bytes)?;
            for (key, value) in asked.tags {
                decision::set_tag(&mut tags, key, value);
            }
            match asked.verdict {
                PublishVerdict::Abstain => {}
                PublishVerdict::Allow => allowed = true,
                PublishVerdict::Replace(replaced) => data = replaced,
                PublishVerdict::Discard => return Ok(PublishDecision::Discard),
                PublishVerdict::Deny(denial) => return Err(Denied::by(&step.plugin, denial)),
            }
        }
        if !allowed {
            return Err(Denied::nobody_allowed());
        }
        Ok(PublishDecision::Pass(Permit::new(Message {
            topic: Topic {
                tenant: caller.tenant.clone(),
                channel: channel.clone(),
            },
            data,
            tags,
        })))
    }

    /// Tells every plugin that the connection is over. A fault changes nothing: the sandbox logs it.
    pub fn disconnect(&mut self, caller: &Arc<Caller>, code: u16) {
        for step in asked(&mut self.steps, HookKind::Disconnect) {
            drop(step.hook.disconnect(caller, code));
        }
    }

    /// Lets plugins give back instances that were not used for long.
    pub fn evict_idle(&mut self) {
        let now = Instant::now();
        for step in &mut self.steps {
            step.hook.evict_idle(now);
        }
    }
}

fn asked(steps: &mut [ChainStep], hook: HookKind) -> impl Iterator<Item = &mut ChainStep> {
    steps.iter_mut().filter(move |step| step.hooks.has(hook))
}

fn ask_subscribe(step: &mut ChainStep, caller: &Arc<Caller>, key: CacheKey<'_>) -> Result<SubscribeVerdict, Denied> {
    let fresh = caller.verdicts.lock().fresh(key, Instant::now);
    if let Some(CachedVerdict::Subscribe(verdict)) = fresh {
        return Ok(verdict);
    }
    match step.hook.subscribe(caller, key.channel) {
        Ok(response) => {
            if response.cache.is_some() || step.on_fault.subscribe == OnFault::Cached {
                let until = response.cache.map(|ttl| Instant::now() + ttl);
                let verdict = CachedVerdict::Subscribe(response.verdict.clone());
                caller.verdicts.lock().keep(key, verdict, until);
            }
            Ok(response.verdict)
        }
        Err(fault) => match step.on_fault.subscribe {
            OnFault::Allow => Ok(SubscribeVerdict::Allow(Grant::default())),
            OnFault::Cached => match caller.verdicts.lock().last(key) {
                Some(CachedVerdict::Subscribe(verdict)) => Ok(verdict),
                _ => Err(Denied::fault(&step.plugin, &fault)),
            },
            OnFault::Deny => Err(Denied::fault(&step.plugin, &fault)),
        },
    }
}

fn ask_publish(
    step: &mut ChainStep,
    caller: &Arc<Caller>,
    key: CacheKey<'_>,
    data: &Bytes,
    message_bytes: usize,
) -> Result<HookResponse<PublishVerdict>, Denied> {
    let remembered = |verdict, tags| HookResponse {
        verdict,
        tags,
        cache: None,
    };
    let fresh = caller.verdicts.lock().fresh(key, Instant::now);
    if let Some(CachedVerdict::Publish(verdict, tags)) = fresh {
        return Ok(remembered(verdict, tags));
    }
    let response = step.hook.publish(caller, key.channel, data).and_then(|response| {
        let PublishVerdict::Replace(data) = &response.verdict else {
            return Ok((response, Replaced::Fits));
        };
        let checked = decision::check_replaced(data, message_bytes);
        step.hook
            .judged(HookKind::Publish, caller, checked.as_ref().map(|_| ()));
        checked.map(|replaced| (response, replaced))
    });
    let response = match response {
        Ok((_, Replaced::TooLarge(bytes))) => return Err(Denied::grown(&step.plugin, bytes, message_bytes)),
        Ok((response, Replaced::Fits)) => Ok(response),
        Err(fault) => Err(fault),
    };
    match response {
        Ok(response) => {
            let reusable = !matches!(response.verdict, PublishVerdict::Replace(_));
            if reusable && (response.cache.is_some() || step.on_fault.publish == OnFault::Cached) {
                let until = response.cache.map(|ttl| Instant::now() + ttl);
                let verdict = CachedVerdict::Publish(response.verdict.clone(), response.tags.clone());
                caller.verdicts.lock().keep(key, verdict, until);
            }
            Ok(response)
        }
        Err(fault) => match step.on_fault.publish {
            OnFault::Allow => Ok(PublishVerdict::Allow.into()),
            OnFault::Cached => match caller.verdicts.lock().last(key) {
                Some(CachedVerdict::Publish(verdict, tags)) => Ok(remembered(verdict, tags)),
                _ => Err(Denied::fault(&step.plugin, &fault)),
            },
            OnFault::Deny => Err(Denied::fault(&step.plugin, &fault)),
        },
    }
}
