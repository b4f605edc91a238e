//! Reading: histories, and who is present.

use std::sync::Arc;

use redis_client::Value;

use super::codec;
use super::node::Node;
use super::scripts::{HISTORY, NOT_THE_SCRIPT};
use crate::{HistoryPage, HistoryRange, PresenceSnapshot, Publication, Unavailable};
use config::ChannelSettings;
use protocol::Position;
use protocol::names::Topic;
use wall_clock::now_ms;

/// The largest number that Lua counts to one by one. No history gets there, so an offset beyond it is as good as this
/// one: not reached yet.
const COUNTABLE: u64 = 1 << 53;

/// Bytes of messages that are read at once: what a client may be answered with, and a little for what stands around
/// each message. A recovery of more is refused anyway.
const READ_BYTES: usize = 9 * 1_048_576;

/// What the script gave.
struct Stand {
    newest: Position,
    /// Epochs that this one goes on from, each with its last offset.
    before: Vec<Position>,
    /// The first offset that is kept.
    oldest: Option<u64>,
}

impl Node {
    /// Reads a part of a history. `opens`: a channel that Redis does not know gets its epoch, and one that it knows is kept
    /// for longer. Reading alone does neither.
    pub(super) async fn read_history(
        &self,
        topic: &Topic,
        settings: &ChannelSettings,
        range: &HistoryRange,
        opens: bool,
    ) -> Result<HistoryPage, Unavailable> {
        let names = &self.table.names;
        let place = names.place(topic);
        let (size, ttl) = settings
            .history
            .as_ref()
            .map_or((0, 0), |h| (h.size, h.ttl.as_millis()));
        let since = range.since.as_ref().map(|since| since.offset.min(COUNTABLE));
        let keys: Vec<_> = [place, names.stream(topic)]
            .into_iter()
            .chain(self.unused_key())
            .collect();
        let call = HISTORY
            .call(keys)
            .run()
            .arg(&*self.unique())
            .arg(ttl.to_string())
            .arg(size)
            .arg(since.map_or_else(|| "-1".into(), |since| since.to_string()))
            .arg(range.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX)))
            .arg(u8::from(range.reverse))
            .arg(now_ms())
            .arg(range.bytes.map_or(READ_BYTES, |bytes| bytes.min(READ_BYTES)))
            .arg(u8::from(opens));
        let answer = self.topology.read(&call).await?;
        let (stand, entries, cut) = read(answer).ok_or_else(|| Unavailable(NOT_THE_SCRIPT.into()))?;
        let end = range.since.as_ref().and_then(|since| stand.end_of(&since.epoch));
        if let (Some(since), Some(end)) = (&range.since, end)
            && range.reverse
            && since.offset > end + 1
            && since.epoch != stand.newest.epoch
        {
            // Before a place that an earlier epoch never reached is all of that epoch, and nothing of a later one.
            let before = Position {
                epoch: since.epoch.clone(),
                offset: end + 1,
            };
            let range = HistoryRange {
                since: Some(before),
                ..range.clone()
            };
            return Box::pin(self.read_history(topic, settings, &range, opens)).await;
        }
        let reached = |since: &Position| end.is_some_and(|end| since.offset <= end);
        let is_of_it = match &range.since {
            Some(since) if !range.reverse => reached(since),
            Some(_) => end.is_some(),
            None => true,
        };
        let whole = range
            .since
            .as_ref()
            .is_none_or(|since| reached(since) && stand.is_kept_after(since.offset))
            // Who asks for everything and gets a part has a hole.
            && !(cut && range.limit.is_none());
        // One that cannot be read, of a newer version of the broker, is a hole like any other.
        let (messages, readable) = match publications(topic, &stand.newest, entries) {
            Some(messages) if is_of_it => (messages, true),
            Some(_) => (Vec::new(), true),
            None => (Vec::new(), false),
        };
        Ok(HistoryPage {
            newest: stand.newest,
            messages,
            whole: whole && readable,
            is_cut: cut,
        })
    }

    pub(super) async fn members(&self, topic: &Topic) -> Result<PresenceSnapshot, Unavailable> {
        let members = self.table.names.members(topic);
        let mut command = redis_client::cmd("HGETALL");
        command.arg(&members);
        let pairs: Vec<(Value, Value)> = match self.topology.run_large(members.as_bytes(), &command).await? {
            Value::Map(pairs) => pairs,
            _ => Vec::new(),
        };
        let mut snapshot = PresenceSnapshot {
            members: Vec::with_capacity(pairs.len()),
            version: 0,
        };
        for pair in pairs {
            let (Value::BulkString(session), Value::BulkString(value)) = pair else {
                continue;
            };
            match (std::str::from_utf8(&session), std::str::from_utf8(&value)) {
                (Ok(""), Ok(version)) => snapshot.version = version.parse().unwrap_or(0),
                (Ok(session), Ok(value)) => snapshot.members.extend(codec::read_member(session, value)),
                _ => {}
            }
        }
        Ok(snapshot)
    }
}

impl Stand {
    /// The last offset of an epoch: of this one, or of one that this one goes on from.
    fn end_of(&self, epoch: &str) -> Option<u64> {
        let mut known = std::iter::once(&self.newest).chain(&self.before);
        known.find(|at| &*at.epoch == epoch).map(|at| at.offset)
    }

    /// Whether all after `offset` is kept.
    fn is_kept_after(&self, offset: u64) -> bool {
        offset == self.newest.offset || self.oldest.is_some_and(|oldest| oldest <= offset + 1)
    }
}

fn read(answer: Value) -> Option<(Stand, Vec<Value>, bool)> {
    let Value::Array(answer) = answer else { return None };
    let [
        Value::BulkString(epoch),
        Value::Int(newest),
        Value::BulkString(before),
        Value::Int(oldest),
        Value::Array(entries),
        Value::Int(cut),
    ] = <[Value; 6]>::try_from(answer).ok()?
    else {
        return None;
    };
    let epoch = std::str::from_utf8(&epoch).ok()?;
    let before = std::str::from_utf8(&before).ok()?;
    let stand = Stand {
        newest: Position {
            epoch: epoch.into(),
            offset: u64::try_from(newest).ok()?,
        },
        before: before
            .split_inclusive('\n')
            // The last line may have been cut short.
            .filter_map(|line| codec::read_position(line.strip_suffix('\n')?))
            .collect(),
        oldest: u64::try_from(oldest).ok().filter(|oldest| *oldest > 0),
    };
    Some((stand, entries, cut == 1))
}

fn publications(topic: &Topic, newest: &Position, entries: Vec<Value>) -> Option<Vec<Arc<Publication>>> {
    let publication = |entry| {
        let Value::Array(entry) = entry else { return None };
        let [Value::BulkString(id), Value::Array(fields)] = <[Value; 2]>::try_from(entry).ok()? else {
            return None;
        };
        let [_, Value::BulkString(message)] = <[Value; 2]>::try_from(fields).ok()? else {
            return None;
        };
        let (offset, _) = std::str::from_utf8(&id).ok()?.split_once('-')?;
        let position = Position {
            epoch: newest.epoch.clone(),
            offset: offset.parse().ok()?,
        };
        codec::decode(topic, Some(position), message.into()).map(Arc::new)
    };
    entries.into_iter().map(publication).collect()
}
