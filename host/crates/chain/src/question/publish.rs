//! Whether a message may be published, and what becomes of it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{Asked, Evaluation, NextStep, Question, asked, cache_key};
use crate::caller::Caller;
use crate::decision::{self, Denied, Replaced};
use crate::hook::OnFault;
use crate::kind::HookKind;
use crate::permit::{Message, Permit};
use crate::step::ChainStep;
use crate::verdict::{HookResponse, PublishVerdict};
use crate::verdict_cache::{CacheKey, CachedVerdict};
use protocol::Content;
use protocol::names::{Channel, Topic};

/// What the chain decides about a message that it does not refuse.
#[derive(Debug)]
pub enum PublishDecision {
    /// It is published by this permit.
    Pass(Permit<Message>),
    /// A plugin discarded it: it is acknowledged, and nobody receives it.
    Discard,
}

/// Asks whether data may be published in a channel.
#[derive(Debug)]
pub struct PublishQuestion {
    /// The caller's subscription to the channel is granted publishing, which counts as an allow. It may end while the question
    /// pauses, so it is set anew whenever the question is asked.
    pub granted: bool,
    channel: Channel,
    content: Content,
    data: Bytes,
    /// The client's own data, once a plugin replaced it: a chain that is asked anew begins with that.
    original: Option<Bytes>,
    tags: Vec<(String, String)>,
    allowed: bool,
    next: NextStep,
}

/// Where the steps of a chain led.
enum Passage {
    Through,
    Discarded,
    Paused,
}

impl PublishQuestion {
    /// `data` is what `content` says.
    pub fn new(channel: Channel, content: Content, data: Bytes, granted: bool) -> Self {
        Self {
            granted,
            channel,
            content,
            data,
            original: None,
            tags: Vec::new(),
            allowed: false,
            next: NextStep::default(),
        }
    }

    fn begin_anew(&mut self) {
        if let Some(original) = self.original.take() {
            self.data = original;
        }
        self.tags.clear();
        self.allowed = false;
    }

    /// Asks the steps that are left.
    fn ask(&mut self, evaluation: Evaluation<'_>) -> Result<Passage, Denied> {
        let Evaluation {
            chain,
            steps,
            defaults,
            is_closed,
            caller,
            mut pauses,
        } = evaluation;
        if self.next.is_of_another(chain) {
            self.begin_anew();
        }
        for (index, step) in asked(steps, HookKind::Publish, self.next.index_in(chain)) {
            let key = cache_key(chain, index, HookKind::Publish, &self.channel);
            let fresh = caller.verdicts.lock().fresh(key, Instant::now);
            let response = if let Some(CachedVerdict::Publish(verdict, tags)) = fresh {
                remembered(verdict, tags)
            } else if pauses.before_call() {
                self.next = NextStep::of(chain, index);
                return Ok(Passage::Paused);
            } else {
                call(step, caller, key, (self.content, &self.data), defaults.message_bytes)?
            };
            for (key, value) in response.tags {
                decision::set_tag(&mut self.tags, key, value);
            }
            match response.verdict {
                PublishVerdict::Abstain => {}
                PublishVerdict::Allow => self.allowed = true,
                PublishVerdict::Replace(replaced) => {
                    let before = std::mem::replace(&mut self.data, replaced);
                    self.original.get_or_insert(before);
                }
                PublishVerdict::Discard => return Ok(Passage::Discarded),
                PublishVerdict::Deny(denial) => return Err(Denied::by(&step.plugin, denial)),
            }
        }
        let is_allowed = self.allowed || (!is_closed && (self.granted || defaults.allow));
        if is_allowed {
            Ok(Passage::Through)
        } else {
            Err(Denied::nobody_allowed())
        }
    }
}

impl Question for PublishQuestion {
    const HOOK: HookKind = HookKind::Publish;
    type Answer = Result<PublishDecision, Denied>;

    fn channel(&self) -> Option<&Channel> {
        Some(&self.channel)
    }

    fn next(&self) -> NextStep {
        self.next
    }

    fn go_on(mut self, evaluation: Evaluation<'_>) -> Asked<Self> {
        let caller = evaluation.caller;
        match self.ask(evaluation) {
            Ok(Passage::Through) => Asked::Answered(Ok(PublishDecision::Pass(Permit::new(Message {
                topic: Topic {
                    tenant: caller.tenant.clone(),
                    channel: self.channel,
                },
                content: self.content,
                data: self.data,
                tags: self.tags,
            })))),
            Ok(Passage::Discarded) => Asked::Answered(Ok(PublishDecision::Discard)),
            Ok(Passage::Paused) => Asked::Paused(self),
            Err(denied) => Asked::Answered(Err(denied)),
        }
    }
}

fn remembered(verdict: PublishVerdict, tags: Vec<(String, String)>) -> HookResponse<PublishVerdict> {
    HookResponse {
        verdict,
        tags,
        cache: None,
    }
}

fn call(
    step: &mut ChainStep,
    caller: &Arc<Caller>,
    key: CacheKey<'_>,
    (content, data): (Content, &Bytes),
    message_bytes: usize,
) -> Result<HookResponse<PublishVerdict>, Denied> {
    let takes_bytes = step.hook.takes_bytes();
    let response = if content == Content::Binary && !takes_bytes {
        let text = protocol::base64_json(data);
        step.hook.publish(caller, key.channel, Content::Json, &text)
    } else {
        step.hook.publish(caller, key.channel, content, data)
    };
    let response = response.and_then(|mut response| {
        let PublishVerdict::Replace(data) = &mut response.verdict else {
            return Ok(Ok(response));
        };
        let checked = decision::check_replaced(data, content, takes_bytes, message_bytes);
        step.hook
            .judged(HookKind::Publish, caller, checked.as_ref().map(|_| ()));
        Ok(match checked? {
            Replaced::Fits(replaced) => {
                *data = replaced;
                Ok(response)
            }
            Replaced::TooLarge(bytes) => Err(Denied::grown(&step.plugin, bytes, message_bytes)),
        })
    });
    let response = match response {
        Ok(Err(grown)) => return Err(grown),
        Ok(Ok(response)) => Ok(response),
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
