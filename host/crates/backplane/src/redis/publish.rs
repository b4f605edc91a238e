//! Publishing: a message takes its place in a queue at once, the queue is sent call by call, and each message is
//! answered with what the script says of it.

use std::sync::Arc;
use std::time::Instant;

use redis_client::{Failure, ScriptCall, Value};
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::codec;
use super::node::Node;
use super::publish_queue::{self, QueuedPublish};
use super::publish_queues::{PublishQueues, QueueId, queue_of};
use super::scripts::{NOT_THE_SCRIPT, PUBLISH};
use crate::{Publication, PublishOptions, Published, Rejection, Reply, Unavailable};
use chain::Message;
use wall_clock::now_ms;

impl Node {
    /// Publishes a message, behind all of its channel that were published before; its place is taken when this returns,
    /// whenever the answer is asked for.
    pub(super) fn publish(
        self: &Arc<Self>,
        message: Message,
        options: &PublishOptions,
    ) -> Reply<'static, Published, Rejection> {
        if let Err(limit) = self.table.admit(&message.topic.tenant, &options.allowance) {
            return Box::pin(std::future::ready(Err(limit.into())));
        }
        // Nothing to wait for.
        if let Err(unavailable) = self.reach(&message.topic) {
            return Box::pin(std::future::ready(Err(unavailable.into())));
        }
        let queue = queue_of(self.table.names.partition(&message.topic), self.topology.is_cluster());
        let message = self.message(message, options);
        let room = match self.pending_bytes.reserve(&message.tenant, message.encoded.len()) {
            Ok(room) => room,
            Err(full) => return Box::pin(std::future::ready(Err(full.into()))),
        };
        let id = message.id.clone();
        let (answer, answered) = oneshot::channel();
        let waiting = QueuedPublish {
            message,
            since: Instant::now(),
            answer,
            _bytes: room,
        };
        if self.queues.add(queue, waiting) {
            self.runtime.spawn(self.clone().send_all(queue));
        }
        Box::pin(async move {
            let answered = answered.await;
            let answer = answered.unwrap_or_else(|_| Err(Unavailable("its queue was given up".into())))?;
            Ok(read(&answer, id)?)
        })
    }

    fn message(&self, message: Message, options: &PublishOptions) -> publish_queue::QueuedMessage {
        let names = &self.table.names;
        let topic = message.topic;
        let id = self.unique();
        let history = options.settings.history.as_ref().filter(|_| !options.ephemeral);
        let (size, ttl) = history.map_or((0, 0), |history| (history.size, history.ttl.as_millis()));
        let key = options.key.as_ref().map(|key| names.key(&topic, key));
        let window = key.as_ref().map_or(0, |_| options.settings.idempotency.as_millis());
        let place = names.place(&topic);
        let keys = [place.clone(), names.stream(&topic), key.unwrap_or(place)];
        let channel = names.channel(&topic);
        let tenant = topic.tenant.clone();
        let mut publication = Publication::new(
            topic,
            id.clone(),
            message.data,
            None,
            options.from.clone(),
            message.tags,
        );
        publication.content = message.content;
        publication.ephemeral = options.ephemeral;
        publication.echo = options.echo;
        publish_queue::QueuedMessage {
            tenant,
            keys,
            channel,
            encoded: codec::encode(&publication),
            id,
            size,
            ttl,
            window,
        }
    }

    /// Sends what waits in a queue, until nothing does.
    async fn send_all(self: Arc<Self>, queue: QueueId) {
        let sending = Sending {
            queues: &self.queues,
            queue,
        };
        while let Some(batch) = self.queues.take(queue) {
            let (late, batch): (Vec<_>, Vec<_>) = batch
                .into_iter()
                // Nobody waits for it any more.
                .filter(|waiting| !waiting.answer.is_closed())
                .partition(|waiting| waiting.since.elapsed() >= self.timeout);
            for waiting in late {
                let why = "it waited too long for its turn";
                drop(waiting.answer.send(Err(Unavailable(why.into()))));
            }
            if !batch.is_empty() {
                self.send(batch).await;
            }
        }
        std::mem::forget(sending);
    }

    /// Sends messages together, and tells each what became of it.
    async fn send(&self, batch: Vec<QueuedPublish>) {
        let answers = match self.try_send(&batch).await {
            // Some of their keys are on their way to another server, and some are not. Each message by itself has
            // all of its keys on one side, or soon will.
            Err(Failure::TryAgain) if batch.len() > 1 => {
                for waiting in batch {
                    let answers = self.try_send(std::slice::from_ref(&waiting)).await;
                    let answer = answers.and_then(|mut answers| answers.pop().ok_or(Failure::TryAgain));
                    drop(waiting.answer.send(answer.map_err(Unavailable::from)));
                }
                return;
            }
            other => other,
        };
        match answers {
            Ok(answers) => {
                for (waiting, answer) in batch.into_iter().zip(answers) {
                    drop(waiting.answer.send(Ok(answer)));
                }
            }
            Err(failure) => {
                let unavailable = Unavailable::from(failure);
                for waiting in batch {
                    drop(waiting.answer.send(Err(unavailable.clone())));
                }
            }
        }
    }

    async fn try_send(&self, batch: &[QueuedPublish]) -> Result<Vec<Value>, Failure> {
        let mut call = PUBLISH
            .call(Vec::with_capacity(3 * batch.len() + 1))
            .run()
            .arg(&*self.unique())
            .arg(self.topology.publish_command())
            .arg(now_ms())
            .arg(self.replicas);
        for waiting in batch {
            call = add(call, &waiting.message);
        }
        call.add_keys(self.unused_key());
        // The first has waited longest.
        let until = batch[0].since + 2 * self.timeout;
        let answer = timeout_at(until.into(), self.topology.call_replicated(&call, self.replicas)).await;
        match answer.map_err(|_| Failure::Unavailable("no answer in time".into()))?? {
            Value::Array(answers) if answers.len() == batch.len() => Ok(answers),
            _ => Err(Failure::Refused(NOT_THE_SCRIPT.into())),
        }
    }
}

fn add(mut call: ScriptCall, message: &publish_queue::QueuedMessage) -> ScriptCall {
    call.add_keys(message.keys.iter().cloned());
    call.arg(&message.channel)
        .arg(&message.encoded)
        .arg(&*message.id)
        .arg(message.size)
        .arg(message.ttl.to_string())
        .arg(message.window.to_string())
}

fn read(answer: &Value, id: Arc<str>) -> Result<Published, Unavailable> {
    let text = match answer {
        Value::BulkString(text) => String::from_utf8_lossy(text),
        _ => return Err(Unavailable(NOT_THE_SCRIPT.into())),
    };
    if let Some(why) = text.strip_prefix('!') {
        return Err(Unavailable(why.into()));
    }
    if let Some(place) = text.strip_prefix('0') {
        return Ok(Published {
            id,
            position: codec::read_position(place),
            duplicate: false,
        });
    }
    let first = text.strip_prefix('1').and_then(|first| first.split_once(' '));
    let (first, place) = first.ok_or_else(|| Unavailable(NOT_THE_SCRIPT.into()))?;
    Ok(Published {
        id: first.into(),
        position: codec::read_position(place),
        duplicate: true,
    })
}

/// A queue that is being sent. If sending ends early, what waits in it fails.
struct Sending<'a> {
    queues: &'a PublishQueues,
    queue: QueueId,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.queues.give_up(self.queue);
    }
}
