//! `publish`: within the rate, through the chain, to the backplane. The message comes home by the
//! hub, as it does to everyone.

use std::collections::VecDeque;
use std::time::Instant;

use super::Session;
use super::refusal::Refusal;
use crate::backplane::{PublishOptions, Published, Reply};
use crate::chain::Outcome;
use crate::protocol::names::Channel;
use crate::protocol::{Publish, RequestId, codes, write};
use crate::wall_clock::now_ms;

/// Publishes of one connection that are on their way at the same time at most.
const UNDER_WAY: usize = 64;

/// A publish that the backplane has not answered yet.
pub(super) struct UnderWay {
    id: RequestId,
    channel: Channel,
    answer: Reply<'static, Published>,
}

impl Session {
    /// Sends a message on its way. What a client publishes in one breath goes together, in its order, and is
    /// acknowledged in it, by [`Session::settle`] at the latest.
    pub(super) async fn publish(&mut self, id: &RequestId, request: Publish) -> Result<(), Refusal> {
        let sent = self.send_off(id, request).await;
        if sent.is_err() {
            self.tenant.metrics.refused.inc();
        }
        if self.under_way.len() >= UNDER_WAY {
            self.settle().await;
        }
        sent
    }

    /// Waits for what is on its way, and acknowledges it. Whatever is said next to the client comes after this.
    pub(super) async fn settle(&mut self) {
        while let Some(UnderWay { id, channel, answer }) = self.under_way.pop_front() {
            match answer.await {
                Ok(published) => self.acknowledge(&id, &channel, &published),
                Err(unavailable) => {
                    self.tenant.metrics.refused.inc();
                    // It has no penalty.
                    let _none = self.refuse(&id, &unavailable.into());
                }
            }
        }
        // A connection at rest keeps no room for its busiest moment.
        self.under_way = VecDeque::new();
    }

    async fn send_off(&mut self, id: &RequestId, request: Publish) -> Result<(), Refusal> {
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
                self.settle().await;
                self.tenant.metrics.discarded.inc();
                // An id like any other: who is discarded is not told.
                let never_sent = self.shard.common.backplane.message_id();
                self.send(&write::published(
                    id,
                    now_ms(),
                    channel.as_str(),
                    &never_sent,
                    None,
                    false,
                ));
                return Ok(());
            }
        };
        let options = PublishOptions {
            from: Some(self.member()),
            key: request.key,
            ephemeral: request.ephemeral,
            echo: request.echo,
            settings: self.tenant.settings().channel(channel).clone(),
        };
        let backplane = self.shard.common.backplane.clone();
        let answer = backplane.publish(permit, options);
        self.under_way.push_back(UnderWay {
            id: id.clone(),
            channel: request.channel,
            answer,
        });
        Ok(())
    }

    fn acknowledge(&self, id: &RequestId, channel: &Channel, published: &Published) {
        self.tenant.metrics.published.inc();
        self.send(&write::published(
            id,
            now_ms(),
            channel.as_str(),
            &published.id,
            published.position.as_ref(),
            published.duplicate,
        ));
    }
}
