//! Publishing: one script, one round trip.

use redis::Value;

use super::script::PUBLISH;
use super::{Inner, codec};
use crate::backplane::{Manner, Publication, Published, Unavailable};
use crate::chain::Message;
use crate::protocol::write::now_ms;

impl Inner {
    pub(super) async fn publish(&self, message: Message, manner: &Manner) -> Result<Published, Unavailable> {
        let names = &self.feeds.names;
        let topic = message.topic;
        let id = self.unique();
        let mut publication = Publication::new(
            topic.clone(),
            id.clone(),
            message.data,
            None,
            manner.from.clone(),
            message.tags,
        );
        publication.ephemeral = manner.ephemeral;
        publication.echo = manner.echo;
        let place = names.place(&topic);
        let history = manner.settings.history.as_ref().filter(|_| !manner.ephemeral);
        let (size, ttl) = history.map_or((0, 0), |history| (history.size, history.ttl.as_millis()));
        let key = manner.key.as_ref().map(|key| names.key(&topic, key));
        let window = key.as_ref().map_or(0, |_| manner.settings.idempotency.as_millis());
        // Only a history needs one, and seldom takes it.
        let epoch = history.map_or_else(|| "".into(), |_| self.unique());
        let key = key.unwrap_or_else(|| place.clone());
        let call = PUBLISH
            .call([place, names.stream(&topic), key])
            .arg(names.channel(&topic))
            .arg(codec::encode(&publication))
            .arg(&*id)
            .run()
            .arg(&*epoch)
            .arg(size)
            .arg(ttl.to_string())
            .arg(window.to_string())
            .arg(self.servers.publish_command())
            .arg(now_ms());
        let answer = self.servers.call_replicated(&call, self.replicas).await?;
        read(&answer, id).ok_or_else(|| Unavailable("an answer that is none of the script's".into()))
    }
}

fn read(answer: &Value, id: std::sync::Arc<str>) -> Option<Published> {
    let Value::Array(answer) = answer else { return None };
    let [Value::Int(seen), Value::BulkString(text)] = answer.as_slice() else {
        return None;
    };
    let text = std::str::from_utf8(text).ok()?;
    if *seen == 0 {
        return Some(Published {
            id,
            position: codec::read_position(text),
            duplicate: false,
        });
    }
    let (first, place) = text.split_once(' ')?;
    Some(Published {
        id: first.into(),
        position: codec::read_position(place),
        duplicate: true,
    })
}
