//! Events of a stream as browsers read them (HTML Living Standard 9.2.6): lines of a field each, and an empty line at the
//! end.

use bytes::{BufMut, Bytes, BytesMut};

use super::reply_part::ReplyPart;

/// An envelope as an event of this type.
pub fn event(kind: &str, envelope: &[u8]) -> Bytes {
    event_with(kind, envelope, None)
}

/// The same with the position that a client which comes back names.
pub fn marked_event(kind: &str, envelope: &[u8], id: &str) -> Bytes {
    event_with(kind, envelope, Some(id))
}

fn event_with(kind: &str, envelope: &[u8], id: Option<&str>) -> Bytes {
    let mut event = BytesMut::with_capacity(kind.len() + envelope.len() + id.map_or(0, str::len) + 24);
    begin(&mut event, kind);
    put_lines(&mut event, envelope);
    finish(&mut event, id);
    event.freeze()
}

/// The beginning of an event whose text follows.
fn begin(event: &mut BytesMut, kind: &str) {
    event.put_slice(b"event: ");
    event.put_slice(kind.as_bytes());
    event.put_slice(b"\ndata: ");
}

fn finish(event: &mut BytesMut, id: Option<&str>) {
    if let Some(id) = id {
        event.put_slice(b"\nid: ");
        event.put_slice(id.as_bytes());
    }
    event.put_slice(b"\n\n");
}

/// A text whose line breaks, which JSON has between values only, stand in lines of their own: a client gets `\n` for each.
fn put_lines(event: &mut BytesMut, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        event.put_slice(&rest[..at]);
        event.put_slice(b"\ndata: ");
        rest = &rest[at + 1..];
    }
    event.put_slice(rest);
}

/// A part of an `ack` that is sent in parts.
pub(super) fn part(texts: impl Iterator<Item = Bytes>, part: ReplyPart) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    if part.is_first {
        let mut beginning = BytesMut::new();
        begin(&mut beginning, "ack");
        pieces.push(beginning.freeze());
    }
    pieces.extend(texts.map(|text| {
        if text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            let mut lines = BytesMut::with_capacity(text.len() + 64);
            put_lines(&mut lines, &text);
            lines.freeze()
        } else {
            text
        }
    }));
    if part.is_last {
        pieces.push(Bytes::from_static(b"\n\n"));
    }
    pieces
}

/// Where the event ends that holds the byte `at`: none of its lines is empty.
pub(super) fn end(events: &[u8], at: usize) -> usize {
    let is_end = |end: &usize| *end > at && events[..*end].ends_with(b"\n\n");
    (at + 1..=events.len()).find(is_end).unwrap_or(events.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_type_its_text_and_its_position() {
        assert_eq!(event("join", b"{}"), "event: join\ndata: {}\n\n");
        assert_eq!(
            marked_event("message", b"{}", "7-a"),
            "event: message\ndata: {}\nid: 7-a\n\n"
        );
    }

    #[test]
    fn no_text_can_end_an_event_or_begin_a_field() {
        for (text, lines) in [
            ("[1,\n2]", "data: [1,\ndata: 2]\n\n"),
            ("[1,\r2]", "data: [1,\ndata: 2]\n\n"),
            ("[1,\r\n2]", "data: [1,\ndata: \ndata: 2]\n\n"),
            ("\n\n", "data: \ndata: \ndata: \n\n"),
            ("1\nid: 9\n", "data: 1\ndata: id: 9\ndata: \n\n"),
        ] {
            let event = event("message", text.as_bytes());
            assert_eq!(event, format!("event: message\n{lines}"), "{text:?}");
            assert_eq!(end(&event, 0), event.len(), "{text:?}");
            let pieces = part(
                [Bytes::from(text)].into_iter(),
                ReplyPart {
                    is_first: true,
                    is_last: true,
                },
            );
            assert_eq!(pieces.concat(), format!("event: ack\n{lines}").as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn the_end_of_one_event_among_many() {
        let events = [event("a", b"1"), event("b", b"22"), event("c", b"\n")].concat();
        let first = event("a", b"1").len();
        let second = first + event("b", b"22").len();
        for (at, ends) in [
            (0, first),
            (first - 1, first),
            (first, second),
            (second - 1, second),
            (second, events.len()),
        ] {
            assert_eq!(end(&events, at), ends, "{at}");
        }
    }
}
