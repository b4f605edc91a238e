//! Publishing: what the script is told of a message, and what it says.

use std::sync::Arc;

use super::lanes::NOT_THE_SCRIPT;
use super::{Inner, codec, lane};
use crate::backplane::{Manner, Publication, Published, Unavailable};
use crate::chain::Message;

impl Inner {
    pub(super) async fn publish(self: &Arc<Self>, message: Message, manner: &Manner) -> Result<Published, Unavailable> {
        let names = &self.feeds.names;
        let topic = message.topic;
        let id = self.unique();
        let history = manner.settings.history.as_ref().filter(|_| !manner.ephemeral);
        let (size, ttl) = history.map_or((0, 0), |history| (history.size, history.ttl.as_millis()));
        let key = manner.key.as_ref().map(|key| names.key(&topic, key));
        let window = key.as_ref().map_or(0, |_| manner.settings.idempotency.as_millis());
        let place = names.place(&topic);
        let keys = [place.clone(), names.stream(&topic), key.unwrap_or(place)];
        let channel = names.channel(&topic);
        let tenant = topic.tenant.clone();
        let mut publication =
            Publication::new(topic, id.clone(), message.data, None, manner.from.clone(), message.tags);
        publication.ephemeral = manner.ephemeral;
        publication.echo = manner.echo;
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
        read(&said, id).ok_or_else(|| Unavailable(NOT_THE_SCRIPT.into()))
    }
}

fn read(said: &[u8], id: Arc<str>) -> Option<Published> {
    let text = std::str::from_utf8(said).ok()?;
    if let Some(place) = text.strip_prefix('0') {
        return Some(Published {
            id,
            position: codec::read_position(place),
            duplicate: false,
        });
    }
    let (first, place) = text.strip_prefix('1')?.split_once(' ')?;
    Some(Published {
        id: first.into(),
        position: codec::read_position(place),
        duplicate: true,
    })
}
