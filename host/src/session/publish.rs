//! `publish`: within the rate, through the chain, to the backplane. The message comes home by the
//! hub, as it does to everyone.

use std::time::Instant;

use super::Session;
use super::refusal::Refusal;
use crate::backplane::Manner;
use crate::chain::Outcome;
use crate::protocol::{Publish, RequestId, codes, write};

impl Session {
    pub(super) async fn publish(&mut self, id: &RequestId, request: Publish) -> Result<(), Refusal> {
        let done = self.try_publish(id, request).await;
        if done.is_err() {
            self.tenant.metrics.refused.inc();
        }
        done
    }

    async fn try_publish(&mut self, id: &RequestId, request: Publish) -> Result<(), Refusal> {
        // Counted before the chain runs, so denied messages cost too.
        if let Some(rate) = &mut self.rate {
            rate.take(Instant::now()).map_err(|wait| {
                let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
                Refusal::retry_after(
                    codes::RATE_LIMITED,
                    "this connection publishes faster than it may",
                    wait,
                )
            })?;
        }
        let channel = &request.channel;
        let granted = self
            .subscriptions
            .get(channel)
            .is_some_and(|subscription| subscription.grant.publish);
        let outcome = self
            .tenant
            .chain()
            .publish(&self.caller, channel, request.data, granted)?;
        let permit = match outcome {
            Outcome::Pass(permit) => permit,
            Outcome::Discard => {
                self.tenant.metrics.discarded.inc();
                // An id like any other: who is discarded is not told.
                let never_sent = self.shard.common.backplane.message_id();
                self.send(&write::published(id, channel.as_str(), &never_sent, None, false));
                return Ok(());
            }
        };
        let manner = Manner {
            from: Some(self.member()),
            key: request.key,
            ephemeral: request.ephemeral,
            echo: request.echo,
            settings: self.tenant.settings().channel(channel).clone(),
        };
        let published = self.shard.common.backplane.publish(permit, manner).await?;
        self.tenant.metrics.published.inc();
        let position = published.position.as_ref();
        self.send(&write::published(
            id,
            channel.as_str(),
            &published.id,
            position,
            published.duplicate,
        ));
        Ok(())
    }
}
