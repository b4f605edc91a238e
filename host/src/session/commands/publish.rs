//! `publish`: within the rate, through the chain, to the backplane. The message comes home by the
//! hub, as it does to everyone.

use std::rc::Rc;

use futures_util::FutureExt;

use crate::session::chain_wait::InstanceWait;
use crate::session::context::Context;
use crate::session::outcome::{CommandResult, Outcome};
use crate::session::refusal::Refusal;
use backplane::{PublishOptions, Published, Rejection};
use chain::{Asked, Denied, PublishDecision, PublishQuestion};
use protocol::names::Channel;
use protocol::{Content, RequestId, codes, write};
use wall_clock::now_ms;

pub(super) struct PublishCommand {
    pub id: RequestId,
    pub request: protocol::Publish,
}

impl PublishCommand {
    /// Passes the message to the backplane. The publishes of one burst go together, in their order.
    pub(super) fn apply(mut self, context: &Rc<Context>) -> Outcome {
        // Counted before the chain runs, so denied messages cost too.
        if let Err(refusal) = context.take_publish() {
            return refused(context, refusal);
        }
        if let Err(refusal) = self.check_data(context) {
            return refused(context, refusal);
        }
        let channel = self.request.channel.clone();
        let data = std::mem::take(&mut self.request.data);
        let question = PublishQuestion::new(channel, self.request.content, data, self.is_granted(context));
        match context.ask_if_ready(question) {
            Asked::Answered(decision) => self.go_on(context, decision),
            Asked::Paused(question) => {
                let context = context.clone();
                Outcome::unasked(async move {
                    let ask = |context: &Context, mut question: PublishQuestion| {
                        question.granted = self.is_granted(context);
                        context.ask(question)
                    };
                    let decision = context.answer_by(question, &InstanceWait::begin(), ask).await;
                    self.go_on(&context, decision).answer().await
                })
            }
        }
    }

    /// Whether the data is what the channel takes, and no longer than a message may be: JSON text may be longer than the
    /// MessagePack that it came as.
    fn check_data(&self, context: &Context) -> Result<(), Refusal> {
        let settings = context.tenant.settings();
        let takes = settings.channel(&self.request.channel).content;
        if takes != self.request.content {
            let message = match takes {
                Content::Json => "this channel takes JSON, and the data is binary",
                Content::Binary => {
                    "this channel takes binary data: bin in MessagePack, base64 with \"encoding\":\"base64\" in JSON"
                }
            };
            return Err(Refusal::new(codes::BAD_REQUEST, message));
        }
        let (bytes, most) = (self.request.data.len(), settings.limits.message_bytes);
        if bytes > most {
            let message = format!("the data has {bytes} bytes as JSON, and may have {most} (limits.message_bytes)");
            return Err(Refusal::new(codes::TOO_LARGE, message));
        }
        Ok(())
    }

    /// Whether the caller's subscription counts as an allow.
    fn is_granted(&self, context: &Context) -> bool {
        context
            .granted(&self.request.channel)
            .is_some_and(|grant| grant.publish)
    }

    fn go_on(self, context: &Rc<Context>, decision: Result<PublishDecision, Denied>) -> Outcome {
        match decision {
            Ok(decision) => self.publish(context, decision),
            Err(denied) => refused(context, denied.into()),
        }
    }

    fn publish(self, context: &Rc<Context>, decision: PublishDecision) -> Outcome {
        let Self { id, request } = self;
        let channel = request.channel;
        let permit = match decision {
            PublishDecision::Pass(permit) => permit,
            PublishDecision::Discard => {
                context.tenant.metrics.discarded.inc();
                // An id like any other: a publisher does not learn that its message was discarded.
                let never_sent = context.shard.common.backplane.message_id();
                let ack = write::published(&id, now_ms(), channel.as_str(), &never_sent, None, false);
                return Outcome::Done(Ok(ack.into()));
            }
        };
        let options = PublishOptions {
            from: Some(context.member()),
            key: request.key,
            ephemeral: request.ephemeral,
            echo: request.echo,
            settings: context.tenant.settings().channel(&channel).clone(),
            allowance: context.allowance(),
        };
        let mut reply = context.shard.common.backplane.clone().publish(permit, options);
        // The first poll takes its place in the order, so later publishes cannot overtake it.
        if let Some(published) = reply.as_mut().now_or_never() {
            return Outcome::Done(acknowledge(context, &id, &channel, published));
        }
        let context = context.clone();
        Outcome::pending(async move { acknowledge(&context, &id, &channel, reply.await) })
    }
}

fn refused(context: &Context, refusal: Refusal) -> Outcome {
    context.tenant.metrics.refused.inc();
    Outcome::Done(Err(refusal))
}

fn acknowledge(
    context: &Context,
    id: &RequestId,
    channel: &Channel,
    published: Result<Published, Rejection>,
) -> CommandResult {
    let metrics = &context.tenant.metrics;
    let published = published.inspect_err(|_| metrics.refused.inc())?;
    metrics.published.inc();
    let ack = write::published(
        id,
        now_ms(),
        channel.as_str(),
        &published.id,
        published.position.as_ref(),
        published.duplicate,
    );
    Ok(ack.into())
}
