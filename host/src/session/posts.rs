//! What a client without a WebSocket posts: requests beside its stream of events, or polls. Posts are carried out in their
//! order, like messages of one connection.

use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::oneshot;

use crate::http_sessions::{PostBox, Posted};
use crate::hub::ClientConnection;
use crate::transport::Carrier;
use protocol::{Codec, Encoded};
use relay::{PostAnswer, PostKind};

/// Bytes of replies from which on a post's further requests are refused.
const REPLIES_BYTES: usize = 1_048_576;
/// Bytes that a client may send on its stream of events, which nobody reads.
const IGNORED_BYTES: usize = 65_536;

pub(super) struct Posts {
    post_box: PostBox,
    /// The post whose requests are being carried out, where the replies are its answer.
    current: Option<CurrentPost>,
    /// The last post that had a number, and its answer.
    last: Option<(u64, Bytes)>,
    ignored: usize,
    /// Whether the poll that begins a session was taken.
    is_begun: bool,
}

struct CurrentPost {
    number: Option<u64>,
    codec: Codec,
    /// Replies that are to come.
    expected: usize,
    replies: BytesMut,
    reply: oneshot::Sender<PostAnswer>,
}

/// What the number of a post says.
pub(super) enum BatchTurn {
    New,
    /// It was carried out, or is being carried out.
    Again,
}

// === impl Posts ===

impl Posts {
    pub(super) fn new(post_box: PostBox) -> Self {
        Self {
            post_box,
            current: None,
            last: None,
            ignored: 0,
            is_begun: false,
        }
    }

    /// The next post; for ever none while the replies of another are its answer.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Posted> {
        if self.current.is_some() {
            return Poll::Pending;
        }
        match self.post_box.posts.poll_recv(cx) {
            Poll::Ready(Some(posted)) => Poll::Ready(*posted),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// The client said so much on its stream of events. Returns whether that is enough.
    pub(super) fn ignore(&mut self, bytes: usize) -> bool {
        self.ignored += bytes;
        self.ignored > IGNORED_BYTES
    }

    /// Tells the next poll, or one that waits, what is left for its client.
    pub(super) async fn answer_last(&mut self, client: &ClientConnection) {
        client.flush();
        while client.waiting_bytes() > 0
            && let Some(posted) = self.post_box.posts.recv().await
        {
            let (post, reply) = posted.take();
            if let (PostKind::Poll { ack, .. }, Carrier::Polls(answers)) = (post.kind, &client.carrier) {
                let mut answers = answers.borrow_mut();
                // One with a false ack gets no answer: the session is gone.
                if answers.check(ack).is_ok() {
                    answers.wait(ack, reply.into());
                }
                drop(answers);
                client.flush();
            }
        }
    }

    pub(super) fn turn(&self, number: Option<u64>) -> Result<BatchTurn, String> {
        let last = self.last.as_ref().map_or(0, |(last, _)| *last);
        match number {
            None => Ok(BatchTurn::New),
            Some(number) if Some(number) == last.checked_add(1) => Ok(BatchTurn::New),
            Some(number) if number == last && number > 0 => Ok(BatchTurn::Again),
            Some(number) => Err(format!(
                "the batch is {number}, and must be {last} again or the next one"
            )),
        }
    }

    /// Whether the next reply is a part of an answer to a post, which has no room for it.
    pub(super) fn is_full(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|post| post.replies.len() > REPLIES_BYTES)
    }

    /// Begins to carry out a post of so many requests.
    pub(super) fn begin(
        &mut self,
        number: Option<u64>,
        codec: Codec,
        requests: usize,
        reply: oneshot::Sender<PostAnswer>,
    ) {
        self.current = Some(CurrentPost {
            number,
            codec,
            expected: requests,
            replies: list_begin(codec, requests),
            reply,
        });
    }

    /// A poll with this number was taken: what it asks is told to it, or to a later one.
    pub(super) fn took_poll(&mut self, number: Option<u64>) {
        if let Some(number) = number {
            self.last = Some((number, Bytes::new()));
        }
    }

    /// The answer to the last post that had a number.
    pub(super) fn last_answer(&self) -> Bytes {
        self.last
            .as_ref()
            .map_or_else(Bytes::new, |(_, replies)| replies.clone())
    }

    /// Whether the poll that begins the session was taken before; from now on it was.
    pub(super) fn begins_again(&mut self) -> bool {
        std::mem::replace(&mut self.is_begun, true)
    }

    /// Adds a reply to the answer. Gives it back if it is none of a post's.
    pub(super) fn add(&mut self, reply: Encoded) -> Option<Encoded> {
        let Some(post) = &mut self.current else {
            return Some(reply);
        };
        if post.codec == Codec::Json && post.replies.len() > 1 {
            post.replies.put_u8(b',');
        }
        for part in reply.into_parts() {
            post.replies.put_slice(&part);
        }
        post.expected -= 1;
        if post.expected == 0
            && let Some(CurrentPost {
                number,
                codec,
                mut replies,
                reply,
                ..
            }) = self.current.take()
        {
            if codec == Codec::Json {
                replies.put_u8(b']');
            }
            let replies = replies.freeze();
            if let Some(number) = number {
                self.last = Some((number, replies.clone()));
            }
            // Who is gone meanwhile posts it again, and gets the same.
            drop(reply.send(PostAnswer::Done(replies)));
        }
        None
    }
}

/// The beginning of a list of so many replies.
fn list_begin(codec: Codec, replies: usize) -> BytesMut {
    let mut begin = Vec::with_capacity(5);
    match codec {
        Codec::Json => begin.push(b'['),
        Codec::MessagePack => message_pack::write::list_header(&mut begin, replies),
    }
    begin.as_slice().into()
}

/// A list without replies.
pub(super) fn no_replies(codec: Codec) -> Bytes {
    let mut list = list_begin(codec, 0);
    if codec == Codec::Json {
        list.put_u8(b']');
    }
    list.freeze()
}
