//! Replies that are larger than what may wait for a client. They are one message in fragments: what they tell of a history
//! is read, and queued, while the client reads what came before.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;

use super::answer::{ANSWER_BYTES, fitting};
use super::context::Context;
use super::ending::Ending;
use super::outcome::CommandReply;
use crate::framing::ReplyPart;
use crate::hub::ClientConnection;
use backplane::{HistoryPage, HistoryRange};
use config::ChannelSettings;
use protocol::names::Topic;
use protocol::{Codec, Encoded, Piece, Position, codes, write};

/// Bytes of messages that are read and queued at once, if the outbox has room for them.
const PART_BYTES: usize = 65_536;
/// Bytes of a fragment: one that is half on the wire has to be completed, whatever happens.
const FRAGMENT_BYTES: usize = 16_384;
/// Bytes of a reply that is collected, beyond which it is given up.
const COLLECTED_BYTES: usize = 2 * ANSWER_BYTES;
/// Heartbeats within which something of a part has to be read.
const PATIENCE_HEARTBEATS: u32 = 2;

/// The messages of a reply that are read while it is sent.
pub(super) struct LaterMessages {
    pub topic: Topic,
    pub settings: Arc<ChannelSettings>,
    /// The epoch that the reply tells.
    pub epoch: Arc<str>,
    /// Behind this one, or before it; none: from the end that is asked for.
    pub since: Option<Position>,
    pub reverse: bool,
    /// How many at most.
    pub messages: usize,
    /// Their bytes at most.
    pub bytes: usize,
    /// All of them have to be told. Else fewer are an answer too.
    pub all: bool,
}

/// The rest of a reply cannot be told: the client read too slowly for the history, or not at all.
struct Interrupted;

/// Completes a reply that leaves the places of `later` open, in their order: sends it in parts, and gives back what is left
/// to be done after it. Without any, the reply is sent as a whole. It has its place among what is queued when this is first
/// polled.
pub(super) async fn complete(
    context: &Context,
    reply: CommandReply,
    later: impl IntoIterator<Item = LaterMessages>,
) -> CommandReply {
    let mut later = later.into_iter().peekable();
    if later.peek().is_none() {
        return reply;
    }
    if context.replies_to_posts() {
        return collect(context, reply, later).await;
    }
    match send(context, reply.envelope, later).await {
        Ok(()) => CommandReply {
            envelope: Encoded::default(),
            ..reply
        },
        // The client comes back with its positions.
        Err(Interrupted) => CommandReply {
            ending: Some(Ending::close(codes::SLOW_CONSUMER)),
            ..Encoded::default().into()
        },
    }
}

/// The whole of a reply that is a part of an answer to a post.
async fn collect(
    context: &Context,
    reply: CommandReply,
    mut later: impl Iterator<Item = LaterMessages>,
) -> CommandReply {
    let CommandReply {
        envelope,
        releases,
        ending,
    } = reply;
    let codec = envelope.codec();
    let mut whole = Vec::new();
    for piece in envelope.into_pieces() {
        match piece {
            Piece::Text(text) => whole.extend_from_slice(&text),
            Piece::Later => {
                let Some(mut list) = later.next() else { continue };
                let mut goes_on = false;
                loop {
                    let messages = match list.read_on(context, codec).await {
                        Ok(Some(messages)) if whole.len() <= COLLECTED_BYTES => messages,
                        Ok(None) => break,
                        // The client comes back with its positions.
                        Ok(Some(_)) | Err(Interrupted) => {
                            return CommandReply {
                                ending: Some(Ending::close(codes::SLOW_CONSUMER)),
                                ..Encoded::default().into()
                            };
                        }
                    };
                    for text in write::messages(codec, &messages, goes_on).into_parts() {
                        whole.extend_from_slice(&text);
                    }
                    goes_on = true;
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    CommandReply {
        envelope: Encoded::whole(codec, whole),
        releases,
        ending,
    }
}

async fn send(
    context: &Context,
    reply: Encoded,
    mut later: impl Iterator<Item = LaterMessages>,
) -> Result<(), Interrupted> {
    let client = &context.client;
    let codec = reply.codec();
    client.begin_reply();
    let mut fragment = Fragment::first(client);
    for piece in reply.into_pieces() {
        match piece {
            Piece::Text(text) => fragment.add(text),
            Piece::Later => {
                let Some(mut list) = later.next() else { continue };
                let mut goes_on = false;
                while let Some(messages) = list.read_on(context, codec).await? {
                    for text in write::messages(codec, &messages, goes_on).into_parts() {
                        fragment.add(text);
                    }
                    fragment.queue(false);
                    goes_on = true;
                    drop(messages);
                    is_read(context).await?;
                }
            }
        }
    }
    fragment.queue(true);
    client.finish_reply();
    Ok(())
}

/// Waits until the client has read what was queued of the reply, and lets others run.
async fn is_read(context: &Context) -> Result<(), Interrupted> {
    let client = &context.client;
    client.flush();
    let patience = PATIENCE_HEARTBEATS * context.shard.common.ping;
    while client.next_bytes() > 0 {
        let before = client.next_bytes();
        // The connection writes when its socket takes more, and asks again after that.
        let is_less = || client.next_bytes() < before;
        let progress = poll_fn(|_| if is_less() { Poll::Ready(()) } else { Poll::Pending });
        tokio::time::timeout(patience, progress)
            .await
            .map_err(|_| Interrupted)?;
    }
    tokio::task::yield_now().await;
    Ok(())
}

impl LaterMessages {
    /// The next of them, encoded; none after the last.
    async fn read_on(&mut self, context: &Context, codec: Codec) -> Result<Option<Vec<Bytes>>, Interrupted> {
        if self.messages == 0 {
            return Ok(None);
        }
        let range = HistoryRange {
            since: self.since.clone(),
            limit: Some(self.messages),
            reverse: self.reverse,
            bytes: Some(part_bytes(context)),
        };
        let backplane = &context.shard.common.backplane;
        let page = backplane.history(&self.topic, &self.settings, range).await.ok();
        let is_revoked = context.shard.hub.borrow().is_revoked(&self.topic, context.client.id);
        let messages = match page.filter(|page| !is_revoked && self.goes_on_with(page)) {
            Some(page) => self.take(&page, codec, part_bytes(context)),
            None => Vec::new(),
        };
        if messages.is_empty() {
            return if self.all { Err(Interrupted) } else { Ok(None) };
        }
        Ok(Some(messages))
    }

    /// Whether a page begins with the next message, and is of the history that the reply speaks of.
    fn goes_on_with(&self, page: &HistoryPage) -> bool {
        let first = page.messages.first().and_then(|first| first.position.as_ref());
        let follows = match (&self.since, first) {
            (Some(since), Some(first)) if self.reverse => first.offset < since.offset,
            (Some(since), Some(first)) => since.offset.checked_add(1) == Some(first.offset),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        follows && page.newest.epoch == self.epoch && (page.whole || self.reverse)
    }

    /// Takes what fits into a part; what does not is read again.
    fn take(&mut self, page: &HistoryPage, codec: Codec, part: usize) -> Vec<Bytes> {
        let messages: Vec<_> = fitting(&page.messages, codec, part.min(self.bytes)).collect();
        self.since = page.messages[..messages.len()]
            .last()
            .and_then(|last| last.position.clone());
        self.bytes = self.bytes.saturating_sub(messages.iter().map(Bytes::len).sum());
        self.messages = if self.bytes == 0 {
            0
        } else {
            self.messages - messages.len()
        };
        messages
    }
}

fn part_bytes(context: &Context) -> usize {
    PART_BYTES.min(context.client.reply_room())
}

/// A fragment of the reply that is being made.
struct Fragment<'a> {
    client: &'a ClientConnection,
    texts: Vec<Bytes>,
    bytes: usize,
    is_first: bool,
}

impl<'a> Fragment<'a> {
    fn first(client: &'a ClientConnection) -> Self {
        Self {
            client,
            texts: Vec::new(),
            bytes: 0,
            is_first: true,
        }
    }

    fn add(&mut self, mut text: Bytes) {
        while !text.is_empty() {
            let next = text.split_to(text.len().min(FRAGMENT_BYTES - self.bytes));
            self.bytes += next.len();
            self.texts.push(next);
            if self.bytes == FRAGMENT_BYTES {
                self.queue(false);
            }
        }
    }

    /// Queues it, and begins the next.
    fn queue(&mut self, is_last: bool) {
        if self.bytes == 0 && !is_last {
            return;
        }
        let part = ReplyPart {
            is_first: self.is_first,
            is_last,
        };
        (self.bytes, self.is_first) = (0, false);
        self.client.push_part(self.texts.drain(..), part);
    }
}
