//! Messages of one topic that arrived in one turn, joined: for most listeners they are one entry of the
//! outbox and one piece of a write, however many they are.

use std::cell::OnceCell;

use bytes::{Bytes, BytesMut};

use super::encoding::{message_frame, message_frame_for};
use backplane::{Envelope, Form, Publication};
use protocol::Position;
use wire::{DeflateWindow, Deflater};

/// What stands around the data of a message, by estimate.
const AROUND_BYTES: usize = 256;
/// Bytes that are joined at most. What is half on the wire goes out whole, also before a closing frame.
const BATCH_BYTES: usize = 131_072;

pub(super) struct JoinedMessages<'a> {
    part: &'a [Envelope],
    /// Their frames, one behind the other, in each form that somebody needs …
    frames: [OnceCell<Bytes>; Form::COUNT],
    /// … and for those who agreed on compression.
    compressed: [[OnceCell<Bytes>; DeflateWindow::COUNT]; Form::COUNT],
    /// How many they are.
    pub messages: u64,
    /// Where the first stands in the channel's history …
    pub first: Option<Position>,
    /// … and the last.
    pub last: Option<Position>,
}

/// Splits a turn, in its order, into parts that [`JoinedMessages::join`] can take.
pub(super) fn parts(turn: &[Envelope]) -> impl Iterator<Item = &[Envelope]> {
    turn.chunk_by(|one, next| {
        for_everyone(one).is_some() && for_everyone(next).is_some() && one.topic() == next.topic()
    })
}

/// A message that all listeners get alike: one that may be dropped for some, or is not for its publisher,
/// is queued alone.
fn for_everyone(envelope: &Envelope) -> Option<&Publication> {
    match envelope {
        Envelope::Message(publication) if publication.echo && !publication.ephemeral => Some(publication),
        _ => None,
    }
}

fn publications(part: &[Envelope]) -> impl Iterator<Item = &Publication> {
    part.iter().filter_map(for_everyone)
}

impl<'a> JoinedMessages<'a> {
    /// Joins a part of a turn; none if there is nothing to gain, or it is too much for one piece.
    pub(super) fn join(part: &'a [Envelope]) -> Option<Self> {
        let bytes: usize = publications(part)
            .map(|publication| publication.data.len() + AROUND_BYTES)
            .sum();
        if part.len() < 2 || bytes > BATCH_BYTES {
            return None;
        }
        Some(Self {
            part,
            frames: Default::default(),
            compressed: Default::default(),
            messages: part.len() as u64,
            first: publications(part).next()?.position.clone(),
            last: publications(part).last()?.position.clone(),
        })
    }

    /// The frames as one connection gets them.
    pub(super) fn frames(&self, form: Form, deflate: Option<DeflateWindow>, deflater: &mut Deflater) -> Bytes {
        let Some(window) = deflate else {
            let frames = self.frames[form as usize].get_or_init(|| {
                let mut frames = BytesMut::new();
                for publication in publications(self.part) {
                    frames.extend_from_slice(message_frame(publication, form));
                }
                frames.freeze()
            });
            return frames.clone();
        };
        let frames = self.compressed[form as usize][window as usize].get_or_init(|| {
            let mut frames = BytesMut::new();
            for publication in publications(self.part) {
                frames.extend_from_slice(message_frame_for(publication, form, deflate, deflater));
            }
            frames.freeze()
        });
        frames.clone()
    }
}
