//! Whether a subscribed connection lives: what is published through the other connection to its server has to come
//! over this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::connection::ServerConnection;
use crate::handler::Handler;
use crate::slots::slot_of;

/// How often something is published, in times that a command may take.
const EVERY: u32 = 2;
/// How long it may take to come, likewise.
const WAIT: u32 = 3;

/// Numbers what is published.
static NONCES: AtomicU64 = AtomicU64::new(1);

/// What was published, and whether it is waited for.
pub(crate) struct SubscriptionLiveness {
    /// Where it is published; none: the server has no channel for it now.
    pub channel: Option<Arc<str>>,
    pub every: Duration,
    wait: Duration,
    sent: Option<(Instant, String)>,
}

impl SubscriptionLiveness {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            channel: None,
            every: timeout * EVERY,
            wait: timeout * WAIT,
            sent: None,
        }
    }

    /// From now on watched by this channel, or by none. What was published in another does not come any more.
    pub(crate) fn watch_by(&mut self, channel: Option<Arc<str>>) {
        self.channel = channel;
        self.sent = None;
    }

    /// The slot of the channel.
    pub(crate) fn slot(&self) -> Option<u16> {
        self.channel.as_ref().map(|channel| slot_of(channel.as_bytes()))
    }

    /// Publishes the next, or fails if the last one did not come in time.
    pub(crate) fn check(
        &mut self,
        handler: &Handler,
        connection: &Arc<ServerConnection>,
        sharded: bool,
    ) -> Result<(), String> {
        let (Some(channel), Some(_)) = (&self.channel, connection.server()) else {
            // The server does not answer: that says nothing about the subscriptions.
            self.sent = None;
            return Ok(());
        };
        if let Some((at, nonce)) = &self.sent
            && !handler.received(nonce)
        {
            return if at.elapsed() > self.wait {
                Err("what is published does not arrive".into())
            } else {
                Ok(())
            };
        }
        let nonce = NONCES.fetch_add(1, Ordering::Relaxed).to_string();
        self.sent = Some((Instant::now(), nonce.clone()));
        let mut publish = redis::cmd(if sharded { "SPUBLISH" } else { "PUBLISH" });
        publish.arg(&**channel).arg(nonce);
        let connection = connection.clone();
        tokio::spawn(async move { connection.run(&publish).await.map(drop) });
        Ok(())
    }
}
