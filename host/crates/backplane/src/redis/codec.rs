//! How a message looks in Redis: in the stream, and behind its position in what is published. Fields with
//! their lengths before them, little-endian; a first byte says which version wrote it, so that nodes of two
//! versions can work side by side.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};

use crate::Publication;
use protocol::names::Topic;
use protocol::{Content, Member, Position};

const VERSION: u8 = 1;
const EPHEMERAL: u8 = 1;
const NO_ECHO: u8 = 2;
const BINARY: u8 = 4;

/// What was published in a channel's Redis channel.
#[derive(Debug)]
pub(super) enum ParsedPush {
    Message(Arc<Publication>),
    /// A session came, or else left.
    Presence {
        member: Member,
        joined: bool,
        version: u64,
    },
}

/// A message without its position.
pub(super) fn encode(publication: &Publication) -> Vec<u8> {
    let mut out = Vec::with_capacity(publication.data.len() + 128);
    out.put_u8(VERSION);
    let flags = [
        (publication.ephemeral, EPHEMERAL),
        (!publication.echo, NO_ECHO),
        (publication.content == Content::Binary, BINARY),
    ];
    out.put_u8(flags.iter().map(|(is_set, flag)| u8::from(*is_set) * flag).sum());
    out.put_u64_le(publication.ts);
    put(&mut out, publication.id.as_bytes());
    match &publication.from {
        None => out.put_u8(0),
        Some(Member { user: None, session }) => {
            out.put_u8(1);
            put(&mut out, session.as_bytes());
        }
        Some(Member {
            user: Some(user),
            session,
        }) => {
            out.put_u8(2);
            put(&mut out, session.as_bytes());
            put(&mut out, user.as_bytes());
        }
    }
    out.put_u32_le(length(publication.tags.len()));
    for (key, value) in &publication.tags {
        put(&mut out, key.as_bytes());
        put(&mut out, value.as_bytes());
    }
    put(&mut out, &publication.data);
    out
}

/// Reads what [`encode`] wrote. `None`: it is of another version, or broken.
pub(super) fn decode(topic: &Topic, position: Option<Position>, mut from: Bytes) -> Option<Publication> {
    let input = &mut from;
    if input.try_get_u8().ok()? != VERSION {
        return None;
    }
    let flags = input.try_get_u8().ok()?;
    let ts = input.try_get_u64_le().ok()?;
    let id = text(input)?;
    let member = match input.try_get_u8().ok()? {
        0 => None,
        kind @ (1 | 2) => Some(Member {
            session: text(input)?,
            user: if kind == 2 { Some(text(input)?) } else { None },
        }),
        _ => return None,
    };
    let tags = (0..input.try_get_u32_le().ok()?)
        .map(|_| Some((text(input)?.as_ref().to_owned(), text(input)?.as_ref().to_owned())))
        .collect::<Option<Vec<_>>>()?;
    let data = take(input)?;
    let content = if flags & BINARY == 0 {
        Content::Json
    } else {
        Content::Binary
    };
    // JSON is text by the time it is written; what else lies there was not written by a broker.
    if content == Content::Json {
        std::str::from_utf8(&data).ok()?;
    }
    let mut publication = Publication::new(topic.clone(), id, data, position, member, tags);
    publication.ts = ts;
    publication.content = content;
    publication.ephemeral = flags & EPHEMERAL != 0;
    publication.echo = flags & NO_ECHO == 0;
    Some(publication)
}

/// What a script publishes of somebody who comes, behind `J`, the change's version and a blank.
pub(super) fn presence(member: &Member) -> String {
    format!("{}\n{}", member.session, user_part(member))
}

/// A member as the hash of a topic holds it, under its session.
pub(super) fn member_value(instance: &str, member: &Member) -> String {
    format!("{instance}\n{}", user_part(member))
}

/// Reads what [`member_value`] wrote.
pub(super) fn read_member(session: &str, value: &str) -> Option<Member> {
    let (_, user) = value.split_once('\n')?;
    Some(Member {
        session: session.into(),
        user: user.strip_prefix('u').map(Arc::from),
    })
}

fn user_part(member: &Member) -> String {
    member.user.as_ref().map(|user| format!("u{user}")).unwrap_or_default()
}

/// Reads what arrived: `M` with a position and a message behind a line's end; or `J` or `L`, the change's version, and
/// who came or left.
pub(super) fn read_pushed(topic: &Topic, mut payload: Bytes) -> Option<ParsedPush> {
    let kind = payload.try_get_u8().ok()?;
    let line_end = payload.iter().position(|byte| *byte == b'\n')?;
    let head = payload.split_to(line_end);
    let head = std::str::from_utf8(&head).ok()?;
    payload.advance(1);
    match kind {
        b'M' => {
            let position = match head {
                "" => None,
                head => Some(read_position(head)?),
            };
            decode(topic, position, payload).map(|message| ParsedPush::Message(Arc::new(message)))
        }
        b'J' | b'L' => {
            let (version, session) = head.split_once(' ')?;
            let user = std::str::from_utf8(&payload).ok()?;
            let member = Member {
                session: session.into(),
                user: user.strip_prefix('u').map(Arc::from),
            };
            Some(ParsedPush::Presence {
                member,
                joined: kind == b'J',
                version: version.parse().ok()?,
            })
        }
        _ => None,
    }
}

/// Reads `epoch offset`, as the scripts write a position.
pub(super) fn read_position(text: &str) -> Option<Position> {
    let (epoch, offset) = text.split_once(' ')?;
    Some(Position {
        epoch: epoch.into(),
        offset: offset.parse().ok()?,
    })
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("what a client sends is far below 4 GiB")
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32_le(length(bytes.len()));
    out.put_slice(bytes);
}

fn take(input: &mut Bytes) -> Option<Bytes> {
    let length = input.try_get_u32_le().ok()? as usize;
    (length <= input.len()).then(|| input.split_to(length))
}

fn text(input: &mut Bytes) -> Option<Arc<str>> {
    std::str::from_utf8(&take(input)?).ok().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{member, topic};
    use proptest::prelude::*;

    fn publication() -> Publication {
        let tags = vec![("k".to_owned(), "v".to_owned()), (String::new(), "ü".to_owned())];
        let from = Some(member("s1"));
        let mut publication = Publication::new(topic("a"), "id".into(), Bytes::from_static(b"{}"), None, from, tags);
        publication.ephemeral = true;
        publication.echo = false;
        publication
    }

    #[test]
    fn what_is_written_is_read() {
        let written = publication();
        let position = read_position("e1 7");
        let read = decode(&topic("a"), position.clone(), encode(&written).into()).unwrap();
        assert_eq!(read.position, position);
        assert_eq!(
            (&read.id, read.ts, &read.data),
            (&written.id, written.ts, &written.data)
        );
        assert_eq!((&read.from, &read.tags), (&written.from, &written.tags));
        assert_eq!((read.ephemeral, read.echo), (true, false));
        let mut bytes = publication();
        bytes.data = Bytes::from_static(b"\0\xff");
        assert!(
            decode(&topic("a"), None, encode(&bytes).into()).is_none(),
            "this is no text"
        );
        bytes.content = Content::Binary;
        let read = decode(&topic("a"), None, encode(&bytes).into()).unwrap();
        assert_eq!((read.content, &read.data), (Content::Binary, &bytes.data));
        let anonymous = Member {
            user: None,
            session: "s2".into(),
        };
        for (member, joined, kind) in [(member("s1"), true, 'J'), (anonymous, false, 'L')] {
            let Some(ParsedPush::Presence {
                member: read,
                joined: did,
                version: 7,
            }) = read_pushed(&topic("a"), format!("{}7 {}", kind, presence(&member)).into())
            else {
                panic!("not read")
            };
            assert_eq!((&read, did), (&member, joined));
            assert_eq!(read_member(&member.session, &member_value("n", &member)), Some(member));
        }
    }

    proptest! {
        #[test]
        fn what_others_wrote_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_pushed(&topic("a"), bytes.clone().into());
            let _ = decode(&topic("a"), None, bytes.into());
        }

        #[test]
        fn what_is_cut_short_is_refused(cut in 0_usize..60) {
            let whole = encode(&publication());
            prop_assume!(cut < whole.len());
            prop_assert!(decode(&topic("a"), None, whole[..cut].to_vec().into()).is_none());
        }
    }
}
