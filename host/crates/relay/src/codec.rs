//! How posts and answers are written between nodes. Whatever the version of a message, it begins with the version and what it is,
//! and then, of a post its number and the instance that asks, of an answer the number of its post: so a post of a later version can
//! be answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use protocol::Codec;

use crate::post::{POST_BYTES, Post, PostAnswer, PostKind};

const VERSION: u8 = 1;
/// What a message is.
const POST: u8 = 1;
const ANSWER: u8 = 2;
/// The codecs, by the numbers that they have here.
const CODECS: [Codec; Codec::COUNT] = [Codec::Json, Codec::MessagePack];
/// A poll waits no longer.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// Bytes of the name of an instance, a tenant or a session at most.
const NAME_BYTES: usize = 1_024;
/// Requests of a post at most.
const REQUESTS: usize = 65_536;

/// A message that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RelayMessage {
    Post {
        number: u64,
        asker: Arc<str>,
        /// None: it is of another version.
        post: Option<Post>,
    },
    Answer {
        number: u64,
        answer: PostAnswer,
    },
}

pub(crate) fn write_post(number: u64, asker: &str, post: &Post) -> Vec<u8> {
    let mut out = Vec::with_capacity(post.bytes() + 4 * post.requests.len() + 256);
    out.put_slice(&[VERSION, POST]);
    out.put_u64_le(number);
    put(&mut out, asker.as_bytes());
    put(&mut out, post.tenant.as_bytes());
    put(&mut out, post.session.as_bytes());
    out.put_u8(post.open.is_some().into());
    out.put_slice(post.open.as_ref().map_or(&[], |open| open));
    match post.kind {
        PostKind::Send => out.put_u8(0),
        PostKind::Poll { ack, wait } => {
            out.put_u8(1);
            out.put_u64_le(ack);
            out.put_u64_le(millis(wait));
        }
    }
    out.put_u8(post.batch.is_some().into());
    if let Some(batch) = post.batch {
        out.put_u64_le(batch);
    }
    let codec = CODECS.iter().position(|codec| *codec == post.codec);
    out.put_u8(codec.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX));
    out.put_u32_le(length(post.requests.len()));
    for request in &post.requests {
        put(&mut out, request);
    }
    out
}

pub(crate) fn write_answer(number: u64, answer: &PostAnswer) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.put_slice(&[VERSION, ANSWER]);
    out.put_u64_le(number);
    match answer {
        PostAnswer::Done(body) => {
            out.put_u8(0);
            put(&mut out, body);
        }
        PostAnswer::Gone => out.put_u8(1),
        PostAnswer::Bad(why) => {
            out.put_u8(2);
            put(&mut out, why.as_bytes());
        }
        PostAnswer::Busy { retry_after } => {
            out.put_u8(3);
            out.put_u64_le(millis(*retry_after));
        }
        PostAnswer::Unavailable => out.put_u8(4),
    }
    out
}

/// Reads a message. An answer of another version is one that it is not available. None: it is no message.
pub(crate) fn read(message: Bytes) -> Option<RelayMessage> {
    let mut reader = RelayReader(message);
    let is_ours = reader.byte()? == VERSION;
    match reader.byte()? {
        POST => {
            let number = reader.number()?;
            let asker = reader.name()?;
            let post = if is_ours { Some(reader.post()?) } else { None };
            Some(RelayMessage::Post { number, asker, post })
        }
        ANSWER => {
            let number = reader.number()?;
            let answer = if is_ours {
                reader.answer()?
            } else {
                PostAnswer::Unavailable
            };
            Some(RelayMessage::Answer { number, answer })
        }
        _ => None,
    }
}

/// What is left of a message.
struct RelayReader(Bytes);

// === impl RelayReader ===

impl RelayReader {
    fn post(&mut self) -> Option<Post> {
        let tenant = self.name()?;
        let session = self.name()?;
        let open = if self.flag()? { Some(self.hash()?) } else { None };
        let kind = match self.byte()? {
            0 => PostKind::Send,
            1 => PostKind::Poll {
                ack: self.number()?,
                wait: Duration::from_millis(self.number()?),
            },
            _ => return None,
        };
        if matches!(kind, PostKind::Poll { wait, .. } if wait > LONGEST_WAIT) {
            return None;
        }
        let batch = if self.flag()? { Some(self.number()?) } else { None };
        let codec = *CODECS.get(usize::from(self.byte()?))?;
        let requests = self.requests()?;
        self.0.is_empty().then_some(Post {
            tenant,
            session,
            open,
            kind,
            batch,
            requests,
            codec,
        })
    }

    fn requests(&mut self) -> Option<Vec<Bytes>> {
        let count = self.length()?;
        if count > REQUESTS {
            return None;
        }
        // As many as are there, and room for no more: each has a length at least.
        (0..count).map(|_| self.bytes(POST_BYTES)).collect()
    }

    fn answer(&mut self) -> Option<PostAnswer> {
        let answer = match self.byte()? {
            0 => PostAnswer::Done(self.bytes(POST_BYTES)?),
            1 => PostAnswer::Gone,
            2 => PostAnswer::Bad(std::str::from_utf8(&self.bytes(POST_BYTES)?).ok()?.to_owned()),
            3 => PostAnswer::Busy {
                retry_after: Duration::from_millis(self.number()?),
            },
            4 => PostAnswer::Unavailable,
            _ => return None,
        };
        self.0.is_empty().then_some(answer)
    }

    fn byte(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        self.0.try_get_u64_le().ok()
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.0.try_get_u32_le().ok()?).ok()
    }

    fn bytes(&mut self, at_most: usize) -> Option<Bytes> {
        let length = self.length()?;
        (length <= at_most && length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn name(&mut self) -> Option<Arc<str>> {
        let bytes = self.bytes(NAME_BYTES)?;
        std::str::from_utf8(&bytes).ok().map(Arc::from)
    }

    fn hash(&mut self) -> Option<[u8; 32]> {
        let mut hash = [0; 32];
        self.0.try_copy_to_slice(&mut hash).ok()?;
        Some(hash)
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32_le(length(bytes.len()));
    out.put_slice(bytes);
}

fn length(count: usize) -> u32 {
    u32::try_from(count).expect("what is sent is far below 4 GiB")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn posts() -> [Post; 2] {
        let send = Post {
            tenant: "acme".into(),
            session: "s1".into(),
            open: None,
            kind: PostKind::Send,
            batch: None,
            requests: Vec::new(),
            codec: Codec::Json,
        };
        let poll = Post {
            open: Some([7; 32]),
            kind: PostKind::Poll {
                ack: u64::MAX,
                wait: Duration::from_secs(25),
            },
            batch: Some(3),
            requests: vec!["{}".into(), Bytes::new(), vec![0; 70_000].into()],
            codec: Codec::MessagePack,
            ..send.clone()
        };
        [send, poll]
    }

    fn answers() -> [PostAnswer; 5] {
        [
            PostAnswer::Done("[1]".into()),
            PostAnswer::Gone,
            PostAnswer::Bad("why".into()),
            PostAnswer::Busy {
                retry_after: Duration::from_secs(1),
            },
            PostAnswer::Unavailable,
        ]
    }

    #[test]
    fn what_is_written_is_read_and_nothing_of_it_is_read_if_it_is_cut_or_goes_on() {
        let mut written = Vec::new();
        for post in posts() {
            let bytes = write_post(5, "a~1", &post);
            let read_back = RelayMessage::Post {
                number: 5,
                asker: "a~1".into(),
                post: Some(post),
            };
            written.push((bytes, read_back));
        }
        for answer in answers() {
            written.push((write_answer(6, &answer), RelayMessage::Answer { number: 6, answer }));
        }
        for (bytes, expected) in written {
            assert_eq!(read(bytes.clone().into()), Some(expected));
            for cut in 0..bytes.len().min(300) {
                assert_eq!(read(bytes[..cut].to_vec().into()), None);
            }
            assert_eq!(read([&*bytes, &[0]].concat().into()), None);
        }
    }

    #[test]
    fn what_is_of_a_later_version_can_be_answered() {
        let [send, _] = posts();
        let mut later = write_post(5, "a~1", &send);
        later[0] = VERSION + 1;
        later.push(9);
        let Some(RelayMessage::Post {
            number: 5,
            asker,
            post: None,
        }) = read(later.into())
        else {
            panic!("it is not read")
        };
        assert_eq!(&*asker, "a~1");
        let mut later = write_answer(5, &PostAnswer::Gone);
        later[0] = VERSION + 1;
        let expected = RelayMessage::Answer {
            number: 5,
            answer: PostAnswer::Unavailable,
        };
        assert_eq!(read(later.into()), Some(expected));
    }

    #[test]
    fn what_promises_more_than_is_there_is_refused() {
        let [_, poll] = posts();
        let whole = write_post(5, "a~1", &poll);
        let count = whole.len() - 70_000 - 4 - 4 - 6 - 4;
        assert_eq!(whole[count..count + 4], 3_u32.to_le_bytes());
        for promised in [4, 65_536, u32::MAX] {
            let mut more = whole.clone();
            more[count..count + 4].copy_from_slice(&promised.to_le_bytes());
            assert_eq!(read(more.into()), None, "{promised}");
        }
        let long = Post {
            kind: PostKind::Poll {
                ack: 0,
                wait: Duration::MAX,
            },
            ..poll
        };
        assert_eq!(read(write_post(5, "a~1", &long).into()), None);
    }

    proptest! {
        #[test]
        fn what_others_wrote_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 1_u8..3) {
            let _ = read(bytes.clone().into());
            if bytes.len() > 2 {
                (bytes[0], bytes[1]) = (VERSION, kind);
                let _ = read(bytes.into());
            }
        }
    }
}
