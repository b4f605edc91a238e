//! Who of this node is present where, told to Redis: what is wanted stands in the desk, and a single task makes it
//! so. So nothing is forgotten while Redis is away, and a session that leaves and comes back is never taken for one
//! that left. Instances that are no more are cleaned up after by the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::Value;

use super::backoff::Backoff;
use super::desk::{BATCH, Place};
use super::script::{BEAT, ENTER, EXIT, NOTE, REAP};
use super::{Inner, codec};
use crate::backplane::Unavailable;
use crate::protocol::Member;
use crate::protocol::names::Topic;

/// How often an instance says that it lives, and looks for those that do not.
const BEAT_EVERY: Duration = Duration::from_secs(3);
/// After so long without a word an instance is given up.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// After an outage nobody is given up for so long.
const SPEAK_FIRST: Duration = Duration::from_secs(4);
/// How long presences stay in Redis that nobody keeps: longer than it can be away.
const KEPT: Duration = Duration::from_hours(1);

impl Inner {
    /// Makes presence in Redis what it is to be, for ever.
    pub(super) async fn keep_presence(self: Arc<Self>) {
        let mut backoff = Backoff::new();
        let mut known = self.desk.known();
        loop {
            if known.wait_for(|known| *known).await.is_err() {
                return;
            }
            let batch = self.desk.next();
            if batch.is_empty() {
                self.desk.rest();
                self.desk.called().await;
                continue;
            }
            let told = join_all(batch.iter().map(|(place, wanted)| self.tell(place, wanted.as_ref()))).await;
            for ((place, _), told) in batch.iter().zip(&told) {
                self.desk.done(place, told.is_ok());
            }
            // Before the next batch, which may mark them again.
            self.unmark(self.desk.take_left()).await;
            if told.iter().all(Result::is_ok) {
                backoff.reset();
            } else {
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }

    async fn tell(&self, place: &Place, wanted: Option<&(Member, bool)>) -> Result<(), Unavailable> {
        let (topic, session) = place;
        let names = &self.feeds.names;
        let (channel, publish) = (names.channel(topic), self.servers.publish_command());
        let call = if let Some((member, tell)) = wanted {
            // First where others would look for it if this node were gone.
            let presences = names.presences(&self.instance);
            let note = NOTE
                .call([presences])
                .arg(mark(*tell, &channel))
                .arg(KEPT.as_millis().to_string());
            self.servers.call(&note).await?;
            let push = if *tell { codec::presence(member) } else { String::new() };
            let value = codec::member_value(&self.instance, member);
            ENTER
                .call([names.members(topic)])
                .arg(&**session)
                .arg(value)
                .arg(channel)
                .arg(push)
                .arg(publish)
                .arg(KEPT.as_millis().to_string())
        } else {
            let tell = self.desk.tells(place);
            EXIT.call([names.members(topic)])
                .arg(&**session)
                .arg(channel)
                .arg(u8::from(tell))
                .arg(publish)
        };
        self.servers.call(&call).await.map(drop)
    }

    /// Nobody has to look in these topics any more, should this node be gone.
    async fn unmark(&self, topics: Vec<Topic>) {
        if topics.is_empty() {
            return;
        }
        let presences = self.feeds.names.presences(&self.instance);
        let mut unmark = redis::cmd("SREM");
        unmark.arg(&presences);
        for topic in &topics {
            let channel = self.feeds.names.channel(topic);
            for tell in [false, true] {
                unmark.arg(mark(tell, &channel));
            }
        }
        if self.servers.run(presences.as_bytes(), &unmark).await.is_err() {
            self.desk.give_back_left(topics);
        }
    }

    /// Says that this instance lives, and cleans up after those that do not, for ever.
    pub(super) async fn beat(self: Arc<Self>) {
        let mut tick = tokio::time::interval(BEAT_EVERY);
        let mut backoff = Backoff::new();
        let mut renewed = Instant::now();
        let mut heard_since = Instant::now();
        loop {
            let call = BEAT
                .call([self.feeds.names.instances()])
                .arg(&*self.instance)
                .arg(GIVEN_UP.as_millis().to_string());
            let Ok(Value::Array(answer)) = self.servers.call(&call).await else {
                tokio::time::sleep(backoff.next()).await;
                heard_since = Instant::now();
                continue;
            };
            backoff.reset();
            let mut answer = answer.into_iter();
            let was_there = answer.next() == Some(Value::Int(1));
            if self.desk.become_known() && !was_there {
                tracing::warn!(
                    "this node was given up by the others, or Redis was emptied; telling it everything anew"
                );
                self.desk.repeat();
            }
            // After an outage everybody is late: first they may speak.
            let settled = heard_since.elapsed() > SPEAK_FIRST;
            for dead in answer.filter(|_| settled) {
                if let Value::BulkString(instance) = dead
                    && let Ok(instance) = String::from_utf8(instance)
                    && let Err(error) = self.reap(&instance).await
                {
                    tracing::warn!(instance, %error, "the presences of a node that is gone are still there");
                }
            }
            if renewed.elapsed() > KEPT / 3 {
                renewed = Instant::now();
                self.keep_members().await;
            }
            tick.tick().await;
        }
    }

    /// What nobody keeps any more runs out, should all nodes be gone for good. And the topics are marked again: a mark
    /// that was taken away on a connection that died may have gone later than it was wanted.
    async fn keep_members(&self) {
        let names = &self.feeds.names;
        let topics = self.desk.topics();
        let presences = names.presences(&self.instance);
        let keep = |name: String| {
            let mut keep = redis::cmd("PEXPIRE");
            keep.arg(&name).arg(KEPT.as_millis().to_string());
            (name, keep)
        };
        for batch in topics.chunks(BATCH) {
            let mut again = redis::cmd("SADD");
            again.arg(&presences);
            for (topic, tell) in batch {
                again.arg(mark(*tell, &names.channel(topic)));
            }
            let members = batch.iter().map(|(topic, _)| keep(names.members(topic)));
            let told = members.chain([(presences.clone(), again)]);
            let told = told.map(|(name, command)| async move { self.servers.run(name.as_bytes(), &command).await });
            if join_all(told).await.iter().any(Result::is_err) {
                return;
            }
        }
        let (name, keep) = keep(presences);
        drop(self.servers.run(name.as_bytes(), &keep).await);
    }

    /// Cleans up after an instance. Each topic by itself and at once, so it does not matter how many do it.
    async fn reap(&self, instance: &str) -> Result<(), Unavailable> {
        let names = &self.feeds.names;
        let presences = names.presences(instance);
        let mut list = redis::cmd("SMEMBERS");
        list.arg(&presences);
        let marks = match self.servers.run(presences.as_bytes(), &list).await? {
            Value::Array(marks) | Value::Set(marks) => marks,
            _ => Vec::new(),
        };
        let mut reaped = 0;
        for mark in marks {
            let Value::BulkString(mark) = mark else { continue };
            let Ok(mark) = String::from_utf8(mark) else { continue };
            let Some((topic, channel)) = mark.get(1..).and_then(|channel| Some((names.topic(channel)?, channel)))
            else {
                continue;
            };
            let call = REAP
                .call([names.members(&topic)])
                .arg(instance)
                .arg(channel)
                .arg(&mark[..1])
                .arg(self.servers.publish_command());
            if let Value::Int(count) = self.servers.call(&call).await? {
                reaped += count;
            }
        }
        let mut forget = redis::cmd("DEL");
        forget.arg(&presences);
        self.servers.run(presences.as_bytes(), &forget).await?;
        let instances = names.instances();
        let mut remove = redis::cmd("ZREM");
        remove.arg(&instances).arg(instance);
        self.servers.run(instances.as_bytes(), &remove).await?;
        tracing::info!(instance, reaped, "a node is gone; its sessions have left");
        Ok(())
    }

    /// This instance is no more, and left nobody behind.
    pub(super) async fn sign_off(&self) {
        let instances = self.feeds.names.instances();
        let mut remove = redis::cmd("ZREM");
        remove.arg(&instances).arg(&*self.instance);
        drop(self.servers.run(instances.as_bytes(), &remove).await);
        let presences = self.feeds.names.presences(&self.instance);
        let mut forget = redis::cmd("DEL");
        forget.arg(&presences);
        drop(self.servers.run(presences.as_bytes(), &forget).await);
    }
}

/// How an instance remembers a topic: whether leaves are told, and where.
fn mark(tell: bool, channel: &str) -> String {
    format!("{}{channel}", u8::from(tell))
}
