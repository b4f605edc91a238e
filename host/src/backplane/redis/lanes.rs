//! The way of messages into Redis. A lane has one call under way; what comes meanwhile waits, and goes together in
//! the next. So a message cannot overtake another of its channel, whatever is said again after a script was lost or
//! a slot moved, and many messages cost one round trip.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Instant;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::Inner;
use super::errand::Failure;
use super::lane::{Lane, Message, Waiting};
use super::names::slot_of;
use super::script::{Call, NOT_THE_SCRIPT, PUBLISH};
use super::servers::unavailable;
use crate::backplane::Unavailable;
use crate::wall_clock::now_ms;

/// Lanes to a server that has all channels; in a Cluster every slot has one of its own, for a call is of one slot.
const TO_ONE_SERVER: u16 = 4;

/// Those in which messages wait. A lane that is listed is being driven.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<u16, Lane, RandomState>>);

impl Inner {
    /// Sends a message, behind all that were sent before on its lane, and gives what the script says of it.
    pub(super) async fn send(self: &Arc<Self>, message: Message) -> Result<Value, Unavailable> {
        let key = message.keys[0].as_bytes();
        // Nothing to wait for.
        self.servers.reach(key)?;
        let slot = slot_of(key);
        let lane = if self.servers.are_sharded() {
            slot
        } else {
            slot % TO_ONE_SERVER
        };
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            message,
            since: Instant::now(),
            answer,
        };
        if self.lanes.add(lane, waiting) {
            self.runtime.spawn(self.clone().drive(lane));
        }
        let answered = answered.await;
        answered.unwrap_or_else(|_| Err(Unavailable("the lane was given up".into())))
    }

    /// Sends what waits in a lane, until nothing does.
    async fn drive(self: Arc<Self>, lane: u16) {
        let driving = Driving {
            lanes: &self.lanes,
            lane,
        };
        while let Some(batch) = self.lanes.take(lane) {
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
                self.call(batch).await;
            }
        }
        std::mem::forget(driving);
    }

    /// Sends messages together, and tells each what became of it.
    async fn call(&self, batch: Vec<Waiting>) {
        let said = match self.try_call(&batch).await {
            // Some of their keys are on their way to another server, and some are not. Each message by itself has
            // all of its keys on one side, or soon will.
            Err(Failure::TryAgain) if batch.len() > 1 => {
                for waiting in batch {
                    let said = self.try_call(std::slice::from_ref(&waiting)).await;
                    waiting.tell(said.and_then(|mut said| said.pop().ok_or(Failure::TryAgain)));
                }
                return;
            }
            other => other,
        };
        match said {
            Ok(said) => {
                for (waiting, said) in batch.into_iter().zip(said) {
                    waiting.tell(Ok(said));
                }
            }
            Err(failure) => {
                let unavailable = unavailable(failure);
                for waiting in batch {
                    drop(waiting.answer.send(Err(unavailable.clone())));
                }
            }
        }
    }

    async fn try_call(&self, batch: &[Waiting]) -> Result<Vec<Value>, Failure> {
        let mut call = PUBLISH
            .call(Vec::with_capacity(3 * batch.len()))
            .run()
            .arg(&*self.unique())
            .arg(self.servers.publish_command())
            .arg(now_ms())
            .arg(self.replicas);
        for waiting in batch {
            call = waiting.message.add_to(call);
        }
        // The first has waited longest.
        let until = batch[0].since + 2 * self.timeout;
        let said = timeout_at(until.into(), self.servers.call_replicated(&call, self.replicas)).await;
        match said.map_err(|_| Failure::Unavailable("no answer in time".into()))?? {
            Value::Array(said) if said.len() == batch.len() => Ok(said),
            _ => Err(Failure::Refused(NOT_THE_SCRIPT.into())),
        }
    }
}

impl Waiting {
    fn tell(self, said: Result<Value, Failure>) {
        drop(self.answer.send(said.map_err(unavailable)));
    }
}

impl Message {
    fn add_to(&self, mut call: Call) -> Call {
        call.add_keys(self.keys.iter().cloned());
        call.arg(&self.channel)
            .arg(&self.encoded)
            .arg(&*self.id)
            .arg(self.size)
            .arg(self.ttl.to_string())
            .arg(self.window.to_string())
    }
}

// === impl Lanes ===

impl Lanes {
    /// Adds a message; gives whether the lane has to be driven from now on.
    fn add(&self, lane: u16, waiting: Waiting) -> bool {
        match self.0.lock().entry(lane) {
            Entry::Occupied(lane) => {
                lane.into_mut().add(waiting);
                false
            }
            Entry::Vacant(lane) => {
                lane.insert(Lane::default()).add(waiting);
                true
            }
        }
    }

    /// Takes the first of those that wait. `None`: there are none, and the lane is not driven any more.
    fn take(&self, lane: u16) -> Option<Vec<Waiting>> {
        let mut lanes = self.0.lock();
        let taken = lanes.get_mut(&lane)?.take();
        if taken.is_empty() {
            lanes.remove(&lane);
            return None;
        }
        Some(taken)
    }
}

/// A driver that did not come to the end: dropped, what waits in its lane is given up, and the next message has it
/// driven again.
struct Driving<'a> {
    lanes: &'a Lanes,
    lane: u16,
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.lanes.0.lock().remove(&self.lane);
    }
}
