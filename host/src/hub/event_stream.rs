//! What a stream of events tells its client of how far it has the stream's channels: within the shared event where it has
//! one channel; else after a batch of events, in a block of its own.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::framing::StreamHead;
use backplane::Form;
use protocol::names::Channel;
use protocol::{Position, stream_mark};

/// Between two marks of one stream.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// The channels of one stream, and how far its client has them.
#[derive(Debug)]
pub struct EventStream {
    /// Until it is written.
    head: RefCell<Option<StreamHead>>,
    channels: Box<[Channel]>,
    positions: RefCell<Box<[Option<Position>]>>,
    /// Whether the client was not told of a position.
    has_news: Cell<bool>,
    told: Cell<Instant>,
}

// === impl EventStream ===

impl EventStream {
    /// A stream of these channels, in the order in which its marks have them.
    pub fn new(head: StreamHead, channels: Vec<Channel>) -> Self {
        Self {
            head: RefCell::new(Some(head)),
            positions: RefCell::new(vec![None; channels.len()].into()),
            channels: channels.into(),
            has_news: Cell::new(false),
            told: Cell::new(Instant::now()),
        }
    }

    /// The head of the answer, if nothing was written of it.
    pub fn take_head(&self) -> Option<StreamHead> {
        self.head.take()
    }

    /// The form of what arrives in a channel. Others than its own may be subscribed to later.
    pub(super) fn form_in(&self, channel: &Channel) -> Form {
        match &*self.channels {
            [only] if only == channel => Form::MarkedEvent,
            _ => Form::Event,
        }
    }

    /// Which of several channels this is.
    pub(super) fn place_of(&self, channel: &Channel) -> Option<u8> {
        let place = self.channels.iter().position(|own| own == channel)?;
        u8::try_from(place).ok().filter(|_| self.channels.len() > 1)
    }

    /// The client has a channel up to here, or will when it has what is queued. Returns whether that is the first news since
    /// the last mark.
    pub(super) fn note(&self, place: u8, position: &Position) -> bool {
        if let Some(noted) = self.positions.borrow_mut().get_mut(usize::from(place)) {
            match noted {
                Some(noted) if noted.epoch == position.epoch => noted.offset = position.offset,
                _ => *noted = Some(position.clone()),
            }
            return !self.has_news.replace(true);
        }
        false
    }

    /// The mark of the ack, which tells these positions of channels.
    pub fn begin<'a>(&self, told: impl Iterator<Item = (&'a Channel, &'a Position)>) -> String {
        let mut positions = self.positions.borrow_mut();
        for (channel, position) in told {
            if let Some(place) = self.channels.iter().position(|own| own == channel) {
                positions[place] = Some(position.clone());
            }
        }
        stream_mark::of_all(positions.iter().map(Option::as_ref))
    }

    /// A mark, if it is time for one.
    pub(super) fn take_mark(&self) -> Option<Bytes> {
        let due = self.due_at()?;
        let now = Instant::now();
        if due > now {
            return None;
        }
        self.has_news.set(false);
        self.told.set(now);
        let mark = stream_mark::of_all(self.positions.borrow().iter().map(Option::as_ref));
        Some(format!("id: {mark}\n\n").into())
    }

    /// When the client is to be told of positions that it was not told of.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.has_news.get().then(|| self.told.get() + MARK_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> Channel {
        Channel::parse(name).unwrap()
    }

    fn position(offset: u64) -> Position {
        Position {
            epoch: "e".into(),
            offset,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_comes_once_a_second_and_only_with_news() {
        let stream = EventStream::new(StreamHead::default(), vec![channel("a"), channel("b")]);
        assert_eq!(stream.begin([(&channel("b"), &position(4))].into_iter()), "~,4-e");
        assert_eq!((stream.due_at(), stream.take_mark()), (None, None));
        stream.note(stream.place_of(&channel("a")).unwrap(), &position(1));
        assert_eq!(stream.take_mark(), None, "it is too early");
        tokio::time::advance(MARK_EVERY).await;
        assert_eq!(stream.due_at(), Some(Instant::now()));
        assert_eq!(stream.take_mark().unwrap(), "id: 1-e,4-e\n\n");
        assert_eq!(stream.take_mark(), None, "there is nothing new");
    }

    #[test]
    fn only_the_one_channel_of_a_stream_marks_its_events() {
        let one = EventStream::new(StreamHead::default(), vec![channel("a")]);
        assert_eq!(one.form_in(&channel("a")), Form::MarkedEvent);
        assert_eq!(one.form_in(&channel("b")), Form::Event, "it was subscribed to later");
        assert_eq!(one.place_of(&channel("a")), None);
        let two = EventStream::new(StreamHead::default(), vec![channel("a"), channel("b")]);
        assert_eq!(two.form_in(&channel("a")), Form::Event);
        assert_eq!(
            (two.place_of(&channel("b")), two.place_of(&channel("c"))),
            (Some(1), None)
        );
    }
}
