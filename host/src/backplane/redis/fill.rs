//! Holes: what was published and not heard is read from the history and passed on before anything after it.
//! What cannot be read any more is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Inner;
use super::backoff::Backoff;
use crate::backplane::{Envelope, Query};

/// Holes that are filled at the same time at most.
pub(super) const AT_ONCE: usize = 64;
/// How often quiet channels are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Inner {
    /// Fills the hole in a channel whose feed holds what came after it.
    pub(super) fn fill(self: &Arc<Self>, name: Arc<str>) {
        let inner = self.clone();
        self.runtime.spawn(async move {
            let _turn = inner.fills.acquire().await;
            inner.fill_now(&name).await;
        });
    }

    /// Looks whether there is a hole in each of these.
    pub(super) fn check_all(self: &Arc<Self>, names: Vec<Arc<str>>) {
        for name in names {
            if self.feeds.with(&name, super::feed::Feed::begin_fill) == Some(true) {
                self.fill(name);
            }
        }
    }

    async fn fill_now(self: &Arc<Self>, name: &str) {
        let mut backoff = Backoff::new();
        let mut shards = Vec::new();
        let Some(generation) = self.feeds.with(name, |feed| feed.generation) else {
            return;
        };
        loop {
            let from = self.feeds.with(name, |feed| {
                let same = feed.generation == generation;
                same.then(|| Some((feed.topic.clone(), feed.settings.clone(), feed.fill_from()?)))
            });
            let Some(Some(Some((topic, settings, since)))) = from else {
                return;
            };
            let query = Query {
                since: Some(since),
                ..Query::default()
            };
            let page = match self.read_history(&topic, &settings, &query).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::debug!(%topic, %error, "a history cannot be read; trying again");
                    tokio::time::sleep(backoff.next()).await;
                    continue;
                }
            };
            if !page.whole {
                self.feeds.with(name, |feed| feed.give_up_fill(page.newest.clone()));
                tracing::info!(%topic, "messages were missed that the history no longer has; telling who listens");
                self.feeds.shards(name, &mut shards);
                self.deliver(&Envelope::Lost(topic), &shards).await;
                return;
            }
            let mut publications = page.messages;
            let mut newest = page.newest;
            loop {
                self.feeds.shards(name, &mut shards);
                for publication in publications {
                    newest = publication.position.clone().unwrap_or(newest);
                    self.deliver(&Envelope::Message(publication), &shards).await;
                }
                match self.feeds.with(name, |feed| feed.filled(&newest)).flatten() {
                    None => return,
                    Some(more) if more.is_empty() => break,
                    Some(more) => publications = more,
                }
            }
        }
    }

    /// Looks into quiet channels, for ever: a loss there would not show by itself.
    pub(super) async fn check_quiet(self: Arc<Self>) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            self.check_all(self.feeds.due(Instant::now()));
        }
    }
}
