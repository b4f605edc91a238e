//! `publish`: within the rate, through the chain, to the backplane. The message comes home by the
//! hub, as it does to everyone.

use std::rc::Rc;

use futures_util::FutureExt;

use crate::session::chain_wait::wait_limit;
use crate::session::context::Context;
use crate::session::outcome::{CommandResult, Outcome};
use crate::session::refusal::Refusal;
use backplane::{PublishOptions, Published, Rejection};
use chain::{HookKind, PublishDecision};
use protocol::names::Channel;
use protocol::{RequestId, write};
use wall_clock::now_ms;

pub(super) struct PublishCommand {
    pub id: RequestId,
    pub request: protocol::Publish,
}

impl PublishCommand {
    /// Passes the message to the backplane. The publishes of one burst go together, in their order.
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        // Counted before the chain runs, so denied messages cost too.
        if let Err(refusal) = context.take_publish() {
            return refused(context, refusal);
        }
        if context
            .pending_call(HookKind::Publish, Some(&self.request.channel))
            .is_none()
        {
            return self.publish(context);
        }
        let context = context.clone();
        Outcome::unasked(async move {
            context
                .until_ready(HookKind::Publish, Some(&self.request.channel), wait_limit())
                .await;
            self.publish(&context).answer().await
        })
    }

    fn publish(self, context: &Rc<Context>) -> Outcome {
        self.ask(context).unwrap_or_else(|refusal| refused(context, refusal))
    }

    fn ask(self, context: &Rc<Context>) -> Result<Outcome, Refusal> {
        let Self { id, request } = self;
        let channel = request.channel;
        let granted = context.granted(&channel).is_some_and(|grant| grant.publish);
        let decision = context
            .tenant
            .chain()
            .publish(&context.caller, &channel, request.data, granted)?;
        let permit = match decision {
            PublishDecision::Pass(permit) => permit,
            PublishDecision::Discard => {
                context.tenant.metrics.discarded.inc();
                // An id like any other: a publisher does not learn that its message was discarded.
                let never_sent = context.shard.common.backplane.message_id();
                let ack = write::published(&id, now_ms(), channel.as_str(), &never_sent, None, false);
                return Ok(Outcome::Done(Ok(ack.into())));
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
            return Ok(Outcome::Done(acknowledge(context, &id, &channel, published)));
        }
        let context = context.clone();
        Ok(Outcome::pending(async move {
            acknowledge(&context, &id, &channel, reply.await)
        }))
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
