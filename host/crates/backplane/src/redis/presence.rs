//! Makes Redis know which sessions of this node are present where: what is wanted stands in the presence table, and a
//! single task makes it so. So nothing is forgotten while Redis is away, and a session that leaves and comes back is never taken for one
//! that left. Instances that are no more are cleaned up after by the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis_client::{Failure, ReconnectBackoff, Value};

use super::codec;
use super::names::KeyNames;
use super::node::Node;
use super::presence_table::{BATCH, MemberKey};
use super::scripts::{ENTER, EXIT, HEARTBEAT, NOTE, REAP};
use protocol::Member;
use protocol::names::Topic;

/// How often an instance says that it lives, and looks for those that do not.
const BEAT_EVERY: Duration = Duration::from_secs(3);
/// After so long without a heartbeat an instance is given up.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// After an outage nobody is given up for so long.
const SPEAK_FIRST: Duration = Duration::from_secs(4);
/// How long presences stay in Redis that nobody keeps: longer than it can be away.
const KEPT: Duration = Duration::from_hours(1);

impl Node {
    /// Makes presence in Redis what it is to be, for ever.
    pub(super) async fn keep_presence(self: Arc<Self>) {
        let mut backoff = ReconnectBackoff::new();
        let mut known = self.presence.known();
        loop {
            if known.wait_for(|known| *known).await.is_err() {
                return;
            }
            if self.partitions.mismatch().is_some() {
                // Others look elsewhere.
                tokio::time::sleep(backoff.next_wait()).await;
                continue;
            }
            let batch = self.presence.next();
            if batch.is_empty() {
                self.presence.rest();
                self.presence.called().await;
                continue;
            }
            let told = join_all(batch.iter().map(|(key, wanted)| self.tell(key, wanted.as_ref()))).await;
            for ((key, _), told) in batch.iter().zip(&told) {
                self.presence.done(key, told.is_ok());
            }
            // Before the next batch, which may mark them again.
            self.unmark(self.presence.take_left()).await;
            if told.iter().all(Result::is_ok) {
                backoff.reset();
            } else {
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }

    async fn tell(&self, key: &MemberKey, wanted: Option<&(Member, bool)>) -> Result<(), Failure> {
        let (topic, session) = key;
        let names = &self.table.names;
        let (channel, publish) = (names.channel(topic), self.topology.publish_command());
        let call = if let Some((member, tell)) = wanted {
            // First where others would look for it if this node were gone.
            let presences = names.presences(&self.instance);
            let note = NOTE
                .call([presences])
                .arg(mark(*tell, &channel))
                .arg(KEPT.as_millis().to_string());
            self.topology.call(&note).await?;
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
            let tell = self.presence.tells(key);
            EXIT.call([names.members(topic)])
                .arg(&**session)
                .arg(channel)
                .arg(u8::from(tell))
                .arg(publish)
        };
        self.topology.call(&call).await.map(drop)
    }

    /// Nobody has to look in these topics any more, should this node be gone.
    async fn unmark(&self, topics: Vec<Topic>) {
        if topics.is_empty() {
            return;
        }
        let presences = self.table.names.presences(&self.instance);
        let mut unmark = redis_client::cmd("SREM");
        unmark.arg(&presences);
        for topic in &topics {
            let channel = self.table.names.channel(topic);
            for tell in [false, true] {
                unmark.arg(mark(tell, &channel));
            }
        }
        if self.topology.run(presences.as_bytes(), &unmark).await.is_err() {
            self.presence.give_back_left(topics);
        }
    }

    /// Says that this instance lives, checks the number of partitions, and cleans up after instances that are gone, for
    /// ever.
    pub(super) async fn beat(self: Arc<Self>) {
        let mut tick = tokio::time::interval(BEAT_EVERY);
        // What was missed in an outage is not made up for: some things are decided by how many beats found it so.
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut backoff = ReconnectBackoff::new();
        let mut renewed = Instant::now();
        let mut answered_since = Instant::now();
        loop {
            let connect = self.nodes_connect();
            let Some(dead) = self.beat_once().await else {
                drop(tokio::time::timeout(backoff.next_wait(), self.reconnected(connect)).await);
                answered_since = Instant::now();
                continue;
            };
            backoff.reset();
            // After an outage everybody is late: first they may speak.
            if answered_since.elapsed() > SPEAK_FIRST {
                for instance in dead {
                    if let Err(error) = self.reap(&instance).await {
                        tracing::warn!(instance, %error, "the presences of a node that is gone are still there");
                    }
                }
            }
            if renewed.elapsed() > KEPT / 3 {
                renewed = Instant::now();
                self.keep_members().await;
            }
            tokio::select! {
                _ = tick.tick() => {}
                () = self.reconnected(connect) => {}
            }
        }
    }

    /// Waits until the server of what nodes keep of each other is connected otherwise than by `connect`: until that is
    /// checked, nothing is published.
    async fn reconnected(&self, connect: Option<u64>) {
        let mut changed = self.topology.changed();
        loop {
            let connection = self.topology.connection_of_slot(KeyNames::nodes_slot());
            let mut up = connection.map(|connection| connection.up());
            let now = self.nodes_connect();
            if now.is_some() && now != connect {
                return;
            }
            let goes_up_or_down = async {
                match &mut up {
                    Some(up) => drop(up.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = changed.changed() => {}
                () = goes_up_or_down => {}
            }
        }
    }

    /// One heartbeat. Gives the instances that are gone; none: it did not get through.
    async fn beat_once(&self) -> Option<Vec<String>> {
        let names = &self.table.names;
        let count = names.partitions().count();
        let call = HEARTBEAT
            .call([names.instances(), names.partition_count()])
            .arg(&*self.instance)
            .arg(GIVEN_UP.as_millis().to_string())
            .arg(count)
            .arg(u8::from(self.partitions.may_set()));
        let connect = self.nodes_connect()?;
        let Ok(Value::Array(answer)) = self.topology.call(&call).await else {
            return None;
        };
        let mut answer = answer.into_iter();
        let Some(Value::BulkString(theirs)) = answer.next() else {
            return None;
        };
        let theirs = String::from_utf8_lossy(&theirs);
        if *theirs != count.to_string() {
            self.partitions.differs(count, &theirs);
            return Some(Vec::new());
        }
        // If the server was replaced meanwhile, the next heartbeat sees to it.
        self.partitions.matches(connect);
        let was_there = answer.next() == Some(Value::Int(1));
        if self.presence.become_known() && !was_there {
            tracing::warn!("this node was given up by the others, or Redis was emptied; telling it everything anew");
            self.presence.repeat();
        }
        let text = |value| match value {
            Value::BulkString(instance) => String::from_utf8(instance).ok(),
            _ => None,
        };
        Some(answer.filter_map(text).collect())
    }

    /// What nobody keeps any more runs out, should all nodes be gone for good. And the topics are marked again: a mark
    /// that was taken away on a connection that died may have gone later than it was wanted.
    async fn keep_members(&self) {
        let names = &self.table.names;
        let topics = self.presence.topics();
        let presences = names.presences(&self.instance);
        let keep = |name: String| {
            let mut keep = redis_client::cmd("PEXPIRE");
            keep.arg(&name).arg(KEPT.as_millis().to_string());
            (name, keep)
        };
        for batch in topics.chunks(BATCH) {
            let mut again = redis_client::cmd("SADD");
            again.arg(&presences);
            for (topic, tell) in batch {
                again.arg(mark(*tell, &names.channel(topic)));
            }
            let members = batch.iter().map(|(topic, _)| keep(names.members(topic)));
            let told = members.chain([(presences.clone(), again)]);
            let told = told.map(|(name, command)| async move { self.topology.run(name.as_bytes(), &command).await });
            if join_all(told).await.iter().any(Result::is_err) {
                return;
            }
        }
        let (name, keep) = keep(presences);
        drop(self.topology.run(name.as_bytes(), &keep).await);
    }

    /// Cleans up after an instance. Each topic by itself and at once, so it does not matter how many do it.
    async fn reap(&self, instance: &str) -> Result<(), Failure> {
        let names = &self.table.names;
        let presences = names.presences(instance);
        let mut list = redis_client::cmd("SMEMBERS");
        list.arg(&presences);
        let marks = match self.topology.run(presences.as_bytes(), &list).await? {
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
                .arg(self.topology.publish_command());
            if let Value::Int(count) = self.topology.call(&call).await? {
                reaped += count;
            }
        }
        let mut forget = redis_client::cmd("DEL");
        forget.arg(&presences);
        self.topology.run(presences.as_bytes(), &forget).await?;
        let instances = names.instances();
        let mut remove = redis_client::cmd("ZREM");
        remove.arg(&instances).arg(instance);
        self.topology.run(instances.as_bytes(), &remove).await?;
        tracing::info!(instance, reaped, "a node is gone; its sessions have left");
        Ok(())
    }

    /// This instance is no more, and left nobody behind.
    pub(super) async fn sign_off(&self) {
        let instances = self.table.names.instances();
        let mut remove = redis_client::cmd("ZREM");
        remove.arg(&instances).arg(&*self.instance);
        drop(self.topology.run(instances.as_bytes(), &remove).await);
        let presences = self.table.names.presences(&self.instance);
        let mut forget = redis_client::cmd("DEL");
        forget.arg(&presences);
        drop(self.topology.run(presences.as_bytes(), &forget).await);
    }
}

/// How an instance remembers a topic: whether leaves are told, and where.
fn mark(tell: bool, channel: &str) -> String {
    format!("{}{channel}", u8::from(tell))
}
