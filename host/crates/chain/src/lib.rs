//! The ordered hooks of a tenant: asks each in turn and counts the votes. Pure: knows no plugin
//! technology, no socket and no backplane.
//!
//! Any deny ends the chain. Connect: the first accept names the identity. Subscribe and publish: one
//! allow is needed unless the tenant's default is allow. A fault is no vote; what it means is decided
//! here, by the operator's [`OnFault`], and nowhere else.

mod caller;
mod handshake;
mod hook;
mod memo;
mod permit;
#[cfg(test)]
mod tests;
mod votes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

pub use caller::{ATTRIBUTE_KEY_BYTES, ATTRIBUTE_VALUE_BYTES, ATTRIBUTES, AttributeLimit, Caller};
pub use handshake::{Handshake, Headers, Upgrade};
pub use hook::{
    Answer, ConnectVerdict, Denial, Fault, Grant, Hook, HookKind, Hooks, Identity, OnFault, Penalty, PublishVerdict,
    SubscribeVerdict,
};
pub use permit::{Message, Permit, Unfit};
pub use votes::Denied;

use memo::{Place, Remembered};
use protocol::names::{Channel, Topic};

/// One plugin's place in a chain.
pub struct Link {
    /// The plugin's name in the config: clients see it in the errors it causes.
    pub plugin: Arc<str>,
    /// The hooks that are asked here.
    pub hooks: Hooks,
    /// What a fault means, by hook.
    pub on_fault: FaultRules,
    /// The plugin.
    pub hook: Box<dyn Hook>,
}

/// What a fault means, hook by hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRules {
    /// `cached` is `deny` here: nobody is let in on an old word.
    pub connect: OnFault,
    /// For subscribe.
    pub subscribe: OnFault,
    /// For publish.
    pub publish: OnFault,
}

/// What the tenant decides when no plugin does.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// A connection that nobody accepted may be, without a name.
    pub anonymous: bool,
    /// A subscription or message that nobody allowed may be.
    pub allow: bool,
    /// Bytes of a message's data at most, replaced data included.
    pub message_bytes: usize,
}

/// What became of a message.
#[derive(Debug)]
pub enum Outcome {
    /// To be published.
    Pass(Permit<Message>),
    /// To be acknowledged and forgotten.
    Discard,
}

/// A tenant's chain on one shard.
pub struct Chain {
    /// Tells this chain from the one before a reload.
    serial: u64,
    links: Vec<Link>,
    defaults: Defaults,
}

// === impl Chain ===

impl Chain {
    /// A chain that asks `links` in their order.
    pub fn new(links: Vec<Link>, defaults: Defaults) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            links,
            defaults,
        }
    }

    /// Asks who the caller is (`handshake.is_refresh`: still is). Plugins after the one that accepted see
    /// whom it named; when the chain has ended, the caller is who it was, until the session says otherwise.
    pub fn connect(&mut self, handshake: &Arc<Handshake>, caller: &Arc<Caller>) -> Result<Identity, Denied> {
        let before = caller.identity();
        let outcome = self.ask_connect(handshake, caller);
        let named = caller.user();
        caller.show(before);
        outcome.map_err(|denied| denied.of(named))
    }

    fn ask_connect(&mut self, handshake: &Arc<Handshake>, caller: &Arc<Caller>) -> Result<Identity, Denied> {
        let mut accepted: Option<Identity> = None;
        for link in asked(&mut self.links, HookKind::Connect) {
            let verdict = match link.hook.connect(handshake, caller) {
                Ok(answer) => answer.verdict,
                Err(fault) => match link.on_fault.connect {
                    OnFault::Allow => ConnectVerdict::Accept(Identity::default()),
                    OnFault::Deny | OnFault::Cached => {
                        return Err(Denied::fault(&link.plugin, &fault));
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
                ConnectVerdict::Deny(denial) => return Err(Denied::by(&link.plugin, denial)),
            }
        }
        match accepted {
            Some(identity) => Ok(identity),
            None if self.defaults.anonymous => Ok(Identity::default()),
            None => Err(Denied::not_authenticated()),
        }
    }

    /// Asks whether the caller may listen to `channel`, and what else it may do there.
    pub fn subscribe(&mut self, caller: &Arc<Caller>, channel: &Channel) -> Result<Grant, Denied> {
        let mut granted: Option<Grant> = None;
        for (index, link) in self.links.iter_mut().enumerate() {
            if !link.hooks.has(HookKind::Subscribe) {
                continue;
            }
            let place = Place {
                chain: self.serial,
                link: index,
                hook: HookKind::Subscribe,
                channel: channel.as_str(),
            };
            match ask_subscribe(link, caller, place)? {
                SubscribeVerdict::Abstain => {}
                SubscribeVerdict::Allow(grant) => {
                    granted = Some(granted.map_or(grant, |before| votes::union(before, grant)));
                }
                SubscribeVerdict::Deny(denial) => return Err(Denied::by(&link.plugin, denial)),
            }
        }
        match granted {
            Some(grant) => Ok(grant),
            None if self.defaults.allow => Ok(votes::EVERYTHING),
            None => Err(Denied::nobody_allowed()),
        }
    }

    /// Asks whether `data` may be said in `channel`. `granted`: the caller's subscription to it was
    /// granted publishing, which counts as an allow.
    pub fn publish(
        &mut self,
        caller: &Arc<Caller>,
        channel: &Channel,
        data: Bytes,
        granted: bool,
    ) -> Result<Outcome, Denied> {
        let mut data = data;
        let mut tags = Vec::new();
        let mut allowed = granted || self.defaults.allow;
        for (index, link) in self.links.iter_mut().enumerate() {
            if !link.hooks.has(HookKind::Publish) {
                continue;
            }
            let place = Place {
                chain: self.serial,
                link: index,
                hook: HookKind::Publish,
                channel: channel.as_str(),
            };
            let asked = ask_publish(link, caller, place, &data, self.defaults.message_bytes)?;
            for (key, value) in asked.tags {
                votes::set_tag(&mut tags, key, value);
            }
            match asked.verdict {
                PublishVerdict::Abstain => {}
                PublishVerdict::Allow => allowed = true,
                PublishVerdict::Replace(replaced) => data = replaced,
                PublishVerdict::Discard => return Ok(Outcome::Discard),
                PublishVerdict::Deny(denial) => return Err(Denied::by(&link.plugin, denial)),
            }
        }
        if !allowed {
            return Err(Denied::nobody_allowed());
        }
        Ok(Outcome::Pass(Permit::new(Message {
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
        for link in asked(&mut self.links, HookKind::Disconnect) {
            drop(link.hook.disconnect(caller, code));
        }
    }

    /// Gives back the instances that were not asked for long.
    pub fn evict_idle(&mut self) {
        let now = Instant::now();
        for link in &mut self.links {
            link.hook.evict_idle(now);
        }
    }
}

fn asked(links: &mut [Link], hook: HookKind) -> impl Iterator<Item = &mut Link> {
    links.iter_mut().filter(move |link| link.hooks.has(hook))
}

fn ask_subscribe(link: &mut Link, caller: &Arc<Caller>, place: Place<'_>) -> Result<SubscribeVerdict, Denied> {
    let fresh = caller.memo.lock().fresh(place, Instant::now);
    if let Some(Remembered::Subscribe(verdict)) = fresh {
        return Ok(verdict);
    }
    match link.hook.subscribe(caller, place.channel) {
        Ok(answer) => {
            if answer.cache.is_some() || link.on_fault.subscribe == OnFault::Cached {
                let until = answer.cache.map(|ttl| Instant::now() + ttl);
                let verdict = Remembered::Subscribe(answer.verdict.clone());
                caller.memo.lock().keep(place, verdict, until);
            }
            Ok(answer.verdict)
        }
        Err(fault) => match link.on_fault.subscribe {
            OnFault::Allow => Ok(SubscribeVerdict::Allow(Grant::default())),
            OnFault::Cached => match caller.memo.lock().last(place) {
                Some(Remembered::Subscribe(verdict)) => Ok(verdict),
                _ => Err(Denied::fault(&link.plugin, &fault)),
            },
            OnFault::Deny => Err(Denied::fault(&link.plugin, &fault)),
        },
    }
}

fn ask_publish(
    link: &mut Link,
    caller: &Arc<Caller>,
    place: Place<'_>,
    data: &Bytes,
    message_bytes: usize,
) -> Result<Answer<PublishVerdict>, Denied> {
    let remembered = |verdict, tags| Answer {
        verdict,
        tags,
        cache: None,
    };
    let fresh = caller.memo.lock().fresh(place, Instant::now);
    if let Some(Remembered::Publish(verdict, tags)) = fresh {
        return Ok(remembered(verdict, tags));
    }
    let answer = link.hook.publish(caller, place.channel, data).and_then(|answer| {
        let PublishVerdict::Replace(data) = &answer.verdict else {
            return Ok(answer);
        };
        let checked = votes::check_replaced(data, message_bytes);
        link.hook.judged(HookKind::Publish, checked.as_ref().copied());
        checked.map(|()| answer)
    });
    match answer {
        Ok(answer) => {
            let reusable = !matches!(answer.verdict, PublishVerdict::Replace(_));
            if reusable && (answer.cache.is_some() || link.on_fault.publish == OnFault::Cached) {
                let until = answer.cache.map(|ttl| Instant::now() + ttl);
                let verdict = Remembered::Publish(answer.verdict.clone(), answer.tags.clone());
                caller.memo.lock().keep(place, verdict, until);
            }
            Ok(answer)
        }
        Err(fault) => match link.on_fault.publish {
            OnFault::Allow => Ok(PublishVerdict::Allow.into()),
            OnFault::Cached => match caller.memo.lock().last(place) {
                Some(Remembered::Publish(verdict, tags)) => Ok(remembered(verdict, tags)),
                _ => Err(Denied::fault(&link.plugin, &fault)),
            },
            OnFault::Deny => Err(Denied::fault(&link.plugin, &fault)),
        },
    }
}
