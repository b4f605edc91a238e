//! Publishing: what the script is told of a message, and what it says.

use std::sync::Arc;

use redis::Value;

use super::script::NOT_THE_SCRIPT;
use super::{Inner, codec, lane};
use crate::backplane::{Publication, PublishOptions, Published, Unavailable};
use crate::chain::Message;

impl Inner {
    pub(super) async fn publish(
        self: &Arc<Self>,
        message: Message,
        options: &PublishOptions,
    ) -> Result<Published, Unavailable> {
        let names = &self.feeds.names;
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
        publication.ephemeral = options.ephemeral;
        publication.echo = options.echo;
        let said = self
            .send(lane::Message {
                tenant,
                keys,
                channel,
                encoded: codec::encode(&publication),
                id: id.clone(),
                size,
                ttl,
                window,
            })
            .await?;
        read(&said, id)
    }
}

fn read(said: &Value, id: Arc<str>) -> Result<Published, Unavailable> {
    let text = match said {
        Value::BulkString(said) => String::from_utf8_lossy(said),
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
