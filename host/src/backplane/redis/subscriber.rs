//! The subscribed connection to one server: says what changes, in order and in batches; begins anew when it is
//! lost, and when nothing comes through it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, ServerErrorKind};

use super::backoff::Backoff;
use super::ear::{Ear, Queue};
use super::link::{Link, Server};
use super::names::slot_of;
use super::{Inner, probe};

/// Channels of one command at most.
const BATCH: usize = 512;
/// How often something is published through the connection to see that it lives, in times that a command may take.
const PROBE_EVERY: u32 = 2;
/// How long that may take, likewise.
const PROBE_WAIT: u32 = 3;
/// How long confirmations may take.
const CONFIRM_WAIT: Duration = Duration::from_secs(5);

/// Numbers connections, so that each knows its own subscriptions.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// Keeps a link's subscribed connection, for ever.
pub(super) async fn keep(link: Arc<Link>, inner: Arc<Inner>, queue: Queue) {
    let mut backoff = Backoff::new();
    let mut up = link.up();
    loop {
        if up.wait_for(|up| *up).await.is_err() {
            return;
        }
        let Some(server) = link.server() else {
            tokio::time::sleep(backoff.next()).await;
            continue;
        };
        let ear = Ear::new(queue.clone());
        let hear = {
            let ear = ear.clone();
            move |push| ear.hear(push)
        };
        match link.login().open(&server.address, inner.timeout, hear).await {
            Ok(connection) => {
                let mut subscriber = Subscriber {
                    id: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
                    connection,
                    ear,
                    server,
                    link: link.clone(),
                    inner: inner.clone(),
                };
                let began = Instant::now();
                let why = subscriber.serve().await;
                inner.feeds.lose(subscriber.id);
                inner.subscribers.remove(&link);
                inner.metrics.resubscribed.inc();
                tracing::warn!(why, "the subscriptions in Redis are lost; subscribing anew");
                // One that was of use comes back at once.
                if began.elapsed() > inner.timeout * PROBE_WAIT {
                    backoff.reset();
                }
            }
            Err(error) => tracing::debug!(%error, "no second connection to Redis"),
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// What came of a command.
enum Said {
    /// All of it is confirmed.
    Done,
    /// None of it: the slot belongs to another server.
    Moved,
}

struct Subscriber {
    id: u64,
    connection: MultiplexedConnection,
    ear: Arc<Ear>,
    server: Arc<Server>,
    link: Arc<Link>,
    inner: Arc<Inner>,
}

impl Subscriber {
    /// Serves until the connection is of no use any more, and says why.
    async fn serve(&mut self) -> String {
        match self.run().await {
            Ok(()) => "the connection was closed".into(),
            Err(why) => why,
        }
    }

    async fn run(&mut self) -> Result<(), String> {
        let probe = self.probe_channel();
        self.inner.probes.expect(&probe);
        self.say(true, std::slice::from_ref(&probe)).await?;
        let mut calls = self.inner.feeds.calls();
        let mut listens = Vec::new();
        self.listen_for_notes(&mut listens).await?;
        self.inner.subscribers.insert(&self.link, self.id);
        self.inner.feeds.touch_all(|_, _| false);
        let mut probe_tick = tokio::time::interval(self.inner.timeout * PROBE_EVERY);
        let mut probed: Option<(Instant, String)> = None;
        loop {
            self.say_changes().await?;
            self.listen_for_notes(&mut listens).await?;
            tokio::select! {
                _ = calls.changed() => {}
                () = self.ear.called.notified() => {}
                _ = probe_tick.tick() => self.probe(&probe, &mut probed)?,
            }
            if self.ear.is_ended() {
                return Ok(());
            }
            match self.link.server() {
                Some(server) if server.run != self.server.run => return Err("the server was replaced".into()),
                _ => {}
            }
        }
    }

    /// Listens to the channels for notes that lie on this server; in a Cluster they may come to it later.
    async fn listen_for_notes(&mut self, listens: &mut Vec<Arc<str>>) -> Result<(), String> {
        let inner = self.inner.clone();
        for channel in inner.notes.channels() {
            let channel: Arc<str> = channel.as_str().into();
            if self.is_ours(&channel) && !listens.contains(&channel) {
                match self.say(true, std::slice::from_ref(&channel)).await? {
                    Said::Done => listens.push(channel),
                    Said::Moved => inner.servers.look_again(),
                }
            }
        }
        Ok(())
    }

    fn is_ours(&self, name: &str) -> bool {
        let owner = self.inner.servers.link_of(name.as_bytes());
        owner.is_some_and(|owner| Arc::ptr_eq(&owner, &self.link))
    }

    /// Subscribes and unsubscribes until everything is as it should be. One command after the other, each
    /// confirmed before the next: so nothing is ever overtaken.
    async fn say_changes(&mut self) -> Result<(), String> {
        loop {
            let inner = self.inner.clone();
            let mut batch = inner.feeds.next_batch(self.id, BATCH, |name| self.is_ours(name));
            if batch.subscribe.is_empty() && batch.unsubscribe.is_empty() {
                return Ok(());
            }
            let sharded = inner.servers.are_sharded();
            batch.unsubscribe.sort_by_key(|name| slot_of(name.as_bytes()));
            for group in batch.unsubscribe.chunk_by(|one, next| go_together(sharded, one, next)) {
                self.say(false, group).await?;
            }
            batch.subscribe.sort_by_key(|(name, _)| slot_of(name.as_bytes()));
            for group in batch
                .subscribe
                .chunk_by(|(one, _), (next, _)| go_together(sharded, one, next))
            {
                let names: Vec<_> = group.iter().map(|(name, _)| name.clone()).collect();
                match self.say(true, &names).await {
                    Ok(Said::Done) => {
                        let holes = inner.feeds.confirm(self.id, group);
                        inner.check_all(holes);
                    }
                    // Said again when it is known where they are.
                    Ok(Said::Moved) => inner.servers.look_again(),
                    Err(why) => {
                        // They are still wanted; whoever comes next says them.
                        for (name, _) in &batch.subscribe {
                            inner.feeds.touch(name.clone());
                        }
                        return Err(why);
                    }
                }
            }
        }
    }

    /// Says one command and waits until all its channels are confirmed.
    async fn say(&mut self, subscribe: bool, names: &[Arc<str>]) -> Result<Said, String> {
        let verb = self.verb(subscribe);
        let mut command = redis::cmd(verb);
        for name in names {
            command.arg(&**name);
        }
        self.ear.expect(names.len(), !subscribe);
        let first: redis::RedisResult<redis::Value> = command.query_async(&mut self.connection).await;
        match first {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::Moved) => return Ok(Said::Moved),
            Err(error) => return Err(error.to_string()),
        }
        let confirmed = async {
            while self.ear.confirmed() < names.len() && !self.ear.is_ended() {
                self.ear.called.notified().await;
            }
        };
        if tokio::time::timeout(CONFIRM_WAIT, confirmed).await.is_err() {
            return Err(format!("no confirmation of {verb} within {CONFIRM_WAIT:?}"));
        }
        if self.ear.is_ended() {
            return Err("the connection was closed".into());
        }
        Ok(Said::Done)
    }

    fn verb(&self, subscribe: bool) -> &'static str {
        match (self.inner.servers.are_sharded(), subscribe) {
            (false, true) => "SUBSCRIBE",
            (false, false) => "UNSUBSCRIBE",
            (true, true) => "SSUBSCRIBE",
            (true, false) => "SUNSUBSCRIBE",
        }
    }

    /// Publishes through the other connection what must arrive on this one: a socket may live whose
    /// subscriptions do not.
    fn probe(&self, channel: &Arc<str>, probed: &mut Option<(Instant, String)>) -> Result<(), String> {
        if let Some((at, nonce)) = probed.as_ref() {
            if self.inner.probes.heard(channel, nonce) {
                *probed = None;
            } else if at.elapsed() > self.inner.timeout * PROBE_WAIT && self.link.server().is_some() {
                return Err("what is published does not arrive".into());
            } else if self.link.server().is_some() {
                return Ok(());
            }
        }
        if self.link.server().is_none() {
            // The server does not answer: that says nothing about the subscriptions.
            *probed = None;
            return Ok(());
        }
        let nonce = self.inner.unique().to_string();
        *probed = Some((Instant::now(), nonce.clone()));
        let mut command = redis::cmd(self.inner.servers.publish_command());
        command.arg(&**channel).arg(nonce);
        let link = self.link.clone();
        tokio::spawn(async move { link.run(&command).await.map(drop) });
        Ok(())
    }

    /// A channel of ours on this very server.
    fn probe_channel(&self) -> Arc<str> {
        let inner = &self.inner;
        let names = (0..probe::ATTEMPTS).map(|attempt| inner.feeds.names.probe(&inner.instance, attempt));
        names
            .clone()
            .find(|name| self.is_ours(name))
            .or_else(|| names.clone().next())
            .expect("there is a first")
            .into()
    }
}

/// In a Cluster, a command's channels have to be of one slot.
fn go_together(sharded: bool, one: &str, next: &str) -> bool {
    !sharded || slot_of(one.as_bytes()) == slot_of(next.as_bytes())
}
