//! Gaps: what was published and did not arrive is read from the history and passed on before anything after it. If it
//! cannot be read any more, the subscribers are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_client::ReconnectBackoff;

use super::channel_cursor::ChannelCursor;
use super::node::Node;
use crate::{Envelope, HistoryPage, HistoryRange, Unavailable};
use config::ChannelSettings;
use protocol::Position;
use protocol::names::Topic;

/// Gaps that are recovered at the same time at most.
pub(super) const AT_ONCE: usize = 64;
/// Messages that are read at once.
const AT_A_TIME: usize = 256;
/// How often quiet channels are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Node {
    /// Recovers the gap in a channel whose cursor holds what came after it.
    pub(super) fn recover(self: &Arc<Self>, name: Arc<str>) {
        let Some(generation) = self.table.with(&name, |cursor| cursor.generation) else {
            return;
        };
        let node = self.clone();
        self.runtime.spawn(async move {
            let _turn = node.recoveries.acquire().await;
            node.recover_now(&name, generation).await;
        });
    }

    /// Looks whether something is missing in each of these.
    pub(super) fn check_all(self: &Arc<Self>, names: Vec<Arc<str>>) {
        for name in names {
            if self.table.with(&name, ChannelCursor::begin_recovery) == Some(true) {
                self.recover(name);
            }
        }
    }

    async fn recover_now(self: &Arc<Self>, name: &str, generation: u64) {
        let mut backoff = ReconnectBackoff::new();
        let mut shards = Vec::new();
        loop {
            let from = self.table.with(name, |cursor| {
                let same = cursor.generation == generation;
                same.then(|| Some((cursor.topic.clone(), cursor.settings.clone(), cursor.recover_from()?)))
            });
            let Some(Some(Some((topic, settings, since)))) = from else {
                return;
            };
            let page = match self.read_after(&topic, &settings, since).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::debug!(%topic, %error, "a history cannot be read; trying again");
                    tokio::time::sleep(backoff.next_wait()).await;
                    continue;
                }
            };
            let mut newest = page.newest;
            let mut publications = page.messages;
            self.metrics.filled.inc();
            if !page.whole {
                self.metrics.lost.inc();
                tracing::info!(%topic, "messages were missed that the history no longer has; telling the subscribers");
                // Whoever listens from now on reads the history for itself; for them it goes on from here.
                publications.clear();
                self.table.shards(name, &mut shards);
                self.deliver(&Envelope::Lost(topic), &shards).await;
            } else if let Some(last) = publications.last().and_then(|last| last.position.clone())
                && last.offset < newest.offset
            {
                // Of a long gap only the first part was read.
                newest = last;
                self.table.with(name, ChannelCursor::begin_recovery);
            }
            let empty = publications.is_empty();
            loop {
                self.table.shards(name, &mut shards);
                for publication in publications {
                    newest = publication.position.clone().unwrap_or(newest);
                    self.deliver(&Envelope::Message(publication), &shards).await;
                }
                match self.table.with(name, |cursor| cursor.recovered(&newest)).flatten() {
                    None => return,
                    Some(more) if more.is_empty() => break,
                    Some(more) => publications = more,
                }
            }
            if empty {
                // What is held is ahead of what can be read: not yet, or never.
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }

    /// Reads what comes after a place. If nothing ever came before it, the history of another epoch goes on from it
    /// too, if it has its first message still.
    async fn read_after(
        &self,
        topic: &Topic,
        settings: &ChannelSettings,
        since: Position,
    ) -> Result<HistoryPage, Unavailable> {
        let nothing_before = since.offset == 0;
        let after = |since| HistoryRange {
            since,
            limit: Some(AT_A_TIME),
            ..HistoryRange::default()
        };
        let page = self.read_history(topic, settings, &after(Some(since)), true).await?;
        if page.whole || !nothing_before {
            return Ok(page);
        }
        let all = self.read_history(topic, settings, &after(None), true).await?;
        let first = all.messages.first().and_then(|first| first.position.as_ref());
        let whole = first.map_or(all.newest.offset == 0, |first| first.offset == 1);
        Ok(HistoryPage { whole, ..all })
    }

    /// Looks into quiet channels, for ever: a loss there would not show by itself.
    pub(super) async fn check_quiet(self: Arc<Self>) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            self.check_all(self.table.due(Instant::now()));
            self.metrics.up.set(self.hindrance().is_none().into());
        }
    }
}
