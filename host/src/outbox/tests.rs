//! What waits, what gives way, and what is half on the wire.

use super::*;
use crate::transport::memory::MemoryStream;

fn policy(subscription: u32, overflow: Overflow) -> Policy {
    Policy {
        subscription,
        overflow,
        ephemeral: false,
        news: false,
    }
}

fn frame(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn waiting(outbox: &Outbox) -> Vec<&[u8]> {
    outbox.queue.iter().map(|entry| &entry.frame[..]).collect()
}

/// Room for two frames of four bytes.
fn small() -> Outbox {
    Outbox::new(2 * (4 + ENTRY_BYTES), Framing::WebSocket)
}

#[test]
fn the_policy_decides_when_there_is_no_room() {
    for (overflow, expected) in [
        (Overflow::Disconnect, PushResult::Overflow),
        (Overflow::Drop, PushResult::Dropped),
    ] {
        let mut outbox = small();
        assert_eq!(
            outbox.push_message(frame("one1"), policy(1, overflow)),
            PushResult::Queued
        );
        assert_eq!(
            outbox.push_message(frame("two2"), policy(1, overflow)),
            PushResult::Queued
        );
        assert_eq!(outbox.push_message(frame("thr3"), policy(1, overflow)), expected);
        assert_eq!(waiting(&outbox), [b"one1", b"two2"]);
    }
}

#[test]
fn conflate_keeps_the_newest_of_each_subscription() {
    let mut outbox = small();
    for (text, subscription) in [("a1__", 1), ("b1__", 2), ("a2__", 1), ("b2__", 2), ("a3__", 1)] {
        let pushed = outbox.push_message(frame(text), policy(subscription, Overflow::Conflate));
        assert_eq!(pushed, PushResult::Queued);
    }
    assert_eq!(waiting(&outbox), [b"a3__", b"b2__"]);
    assert_eq!(outbox.bytes(), 2 * (4 + ENTRY_BYTES));
}

#[test]
fn a_newer_message_takes_no_more_room_than_there_is() {
    let mut outbox = small();
    outbox.push_message(frame("a1__"), policy(1, Overflow::Conflate));
    outbox.push_message(frame("b1__"), policy(2, Overflow::Conflate));
    let pushed = outbox.push_message(frame("a newer one"), policy(1, Overflow::Conflate));
    assert_eq!(pushed, PushResult::Dropped);
    outbox.push(frame("a reply that takes no room from messages"));
    let pushed = outbox.push_message(frame("a"), policy(1, Overflow::Conflate));
    assert_eq!(pushed, PushResult::Queued);
    let pushed = outbox.push_message(frame("b newer"), policy(2, Overflow::Conflate));
    assert_eq!(pushed, PushResult::Queued, "as long as there is some");
    assert_eq!(waiting(&outbox)[..2], [&b"a"[..], b"b newer"]);
}

#[test]
fn conflate_gives_nothing_up_for_what_is_ephemeral() {
    let mut outbox = small();
    let ephemeral = Policy {
        ephemeral: true,
        ..policy(1, Overflow::Conflate)
    };
    outbox.push_message(frame("a1__"), policy(1, Overflow::Conflate));
    assert_eq!(outbox.push_message(frame("typing"), ephemeral), PushResult::Dropped);
    assert_eq!(waiting(&outbox), [b"a1__"]);
}

#[test]
fn conflate_leaves_alone_what_is_half_written() {
    let mut outbox = small();
    outbox.push_message(frame("a1__"), policy(1, Overflow::Conflate));
    outbox.advance(2);
    outbox.push_message(frame("a2__"), policy(1, Overflow::Conflate));
    outbox.push_message(frame("a3__"), policy(1, Overflow::Conflate));
    assert_eq!(waiting(&outbox), [b"a1__", b"a3__"]);
}

#[test]
fn ephemeral_messages_get_half_and_never_end_a_connection() {
    let mut outbox = small();
    let ephemeral = Policy {
        ephemeral: true,
        ..policy(1, Overflow::Disconnect)
    };
    assert_eq!(outbox.push_message(frame("one1"), ephemeral), PushResult::Queued);
    assert_eq!(outbox.push_message(frame("two2"), ephemeral), PushResult::Dropped);
    assert_eq!(
        outbox.push_message(frame("two2"), policy(1, Overflow::Disconnect)),
        PushResult::Queued
    );
}

#[test]
fn bytes_return_to_nothing() {
    let mut outbox = small();
    let (one, two) = (wire::text_frame("ab"), wire::text_frame("cdef"));
    outbox.push(one);
    outbox.push(two.clone());
    outbox.advance(7);
    assert_eq!(outbox.bytes(), two.len() + ENTRY_BYTES);
    outbox.clear();
    assert_eq!(
        outbox.bytes(),
        two.len() + ENTRY_BYTES,
        "a frame that is half on the wire stays"
    );
    outbox.advance(3);
    assert_eq!(outbox.bytes(), 0);
}

#[test]
fn a_reply_in_parts_goes_out_whole_once_it_is_begun() {
    let whole = wire::text_frame("abcdef");
    for written in 0..=whole.len() {
        let mut outbox = Outbox::new(10_000, Framing::WebSocket);
        outbox.push_parts([whole.slice(..2), Bytes::new(), whole.slice(2..5), whole.slice(5..)]);
        outbox.push(frame("more"));
        outbox.advance(written);
        outbox.discard(1);
        outbox.clear();
        let left: usize = outbox.queue.iter().map(|entry| entry.frame.len()).sum();
        let expected = if written == 0 { 0 } else { whole.len() - written };
        assert_eq!(left - outbox.written, expected, "{written}: {outbox:?}");
    }
}

#[test]
fn what_waits_for_one_subscription_can_be_forgotten() {
    let mut outbox = Outbox::new(10_000, Framing::WebSocket);
    let news = Policy {
        news: true,
        ephemeral: true,
        ..policy(1, Overflow::Drop)
    };
    outbox.push_message(frame("a1__"), policy(1, Overflow::Drop));
    outbox.push_message(frame("b1__"), policy(2, Overflow::Drop));
    outbox.push_message(frame("join"), news);
    outbox.push(frame("ack_"));
    outbox.discard(1);
    assert_eq!(waiting(&outbox), [b"b1__", b"ack_"]);
    assert_eq!(outbox.bytes(), 2 * (4 + ENTRY_BYTES));
}

#[test]
fn of_joined_frames_only_the_one_that_is_begun_goes_out() {
    let frames = ["one", "two", "three"].map(wire::text_frame);
    let joined = Bytes::from(frames.concat());
    let ends = [frames[0].len(), frames[0].len() + frames[1].len(), joined.len()];
    for written in 0..joined.len() {
        let mut outbox = Outbox::new(10_000, Framing::WebSocket);
        outbox.push_message(joined.clone(), policy(1, Overflow::Drop));
        outbox.push_message(frames[0].clone(), policy(1, Overflow::Drop));
        outbox.advance(written);
        outbox.discard(1);
        let end = ends.into_iter().find(|end| written <= *end).unwrap_or_default();
        if written == 0 || written == end {
            assert!(outbox.queue.is_empty(), "{written}: {outbox:?}");
            assert_eq!(outbox.bytes(), 0);
        } else {
            assert_eq!(waiting(&outbox), [&joined[..end]], "{written}");
            outbox.advance(end - written);
            assert_eq!(outbox.bytes(), 0);
        }
    }
}

#[test]
fn a_large_reply_takes_no_room_from_messages() {
    let mut outbox = small();
    outbox.push_parts([frame("a reply that is over the limit, "), frame("in two parts")]);
    assert!(outbox.is_backed_up(), "no further request is served");
    for text in ["one1", "two2"] {
        let pushed = outbox.push_message(frame(text), policy(1, Overflow::Disconnect));
        assert_eq!(pushed, PushResult::Queued, "{text}");
    }
    let pushed = outbox.push_message(frame("thr3"), policy(1, Overflow::Disconnect));
    assert_eq!(pushed, PushResult::Overflow, "messages have their own limit");
    outbox.clear();
    assert_eq!((outbox.bytes(), outbox.reply_bytes), (0, 0));
}

/// A reply of two fragments, of which the first is queued behind a message, and a message after it.
fn amid_a_reply() -> (Outbox, [Bytes; 3]) {
    let mut outbox = Outbox::new(10_000, Framing::WebSocket);
    let before = wire::text_frame("before");
    let fragment = Bytes::from(
        [
            &wire::fragment_header(wire::FrameKind::Text, 3, true, false)[..],
            b"abc",
        ]
        .concat(),
    );
    let after = wire::text_frame("after");
    outbox.push_message(before.clone(), policy(1, Overflow::Drop));
    outbox.begin_reply();
    outbox.push_part([fragment.slice(..2), fragment.slice(2..)]);
    outbox.push_message(after.clone(), policy(1, Overflow::Drop));
    (outbox, [before, fragment, after])
}

#[test]
fn what_comes_amid_a_reply_in_parts_waits_until_it_is_whole() {
    let (mut outbox, [before, fragment, after]) = amid_a_reply();
    let all = outbox.bytes();
    assert_eq!(waiting(&outbox), [&before[..], &fragment[..2], &fragment[2..]]);
    outbox.advance(before.len() + fragment.len());
    assert_eq!(outbox.bytes(), after.len() + ENTRY_BYTES, "of {all}");
    let (ping, last) = (
        wire::ping_frame(b""),
        wire::fragment_header(wire::FrameKind::Text, 0, false, true),
    );
    outbox.push(ping.clone());
    outbox.push_part([last.clone()]);
    assert_eq!(outbox.next_bytes(), outbox.reply_bytes);
    outbox.finish_reply();
    assert_eq!(waiting(&outbox), [&ping[..], &last, &after], "a ping does not wait");
    outbox.advance(ping.len() + last.len() + after.len());
    assert_eq!((outbox.bytes(), outbox.reply_bytes), (0, 0));
}

#[test]
fn what_is_dropped_amid_a_reply_in_parts_leaves_whole_frames() {
    let (outbox, [before, fragment, _]) = amid_a_reply();
    let length = before.len() + fragment.len();
    drop(outbox);
    for written in 0..=length {
        let (mut outbox, _) = amid_a_reply();
        outbox.advance(written);
        outbox.discard(1);
        outbox.clear();
        let left = outbox.queue.iter().map(|entry| entry.frame.len()).sum::<usize>() - outbox.written;
        let expected = match written {
            0 => 0,
            written if written < before.len() => before.len() - written,
            written if written == before.len() => 0,
            written => length - written,
        };
        assert_eq!(left, expected, "{written}: {outbox:?}");
        let is_begun = written > before.len();
        assert_eq!(
            outbox.give_up_reply(),
            is_begun,
            "{written}: only control frames may follow"
        );
        outbox.push(frame("close"));
        outbox.advance(left + 5);
        assert_eq!(
            (outbox.bytes(), outbox.reply_bytes, outbox.queue.len()),
            (0, 0, 0),
            "{written}"
        );
    }
}

#[test]
fn conflation_finds_what_waits_behind_a_reply_in_parts() {
    let mut outbox = small();
    outbox.begin_reply();
    for text in ["a1__", "a2__", "a3__"] {
        let pushed = outbox.push_message(frame(text), policy(1, Overflow::Conflate));
        assert_eq!(pushed, PushResult::Queued);
    }
    outbox.finish_reply();
    assert_eq!(waiting(&outbox), [b"a3__"]);
}

#[test]
fn all_is_written_when_it_has_left_the_stream() {
    let memory = MemoryStream::new(usize::MAX);
    let stream = ClientStream::Memory(memory.clone());
    let mut outbox = small();
    memory.hold_back(true);
    outbox.push_message(frame("one1"), policy(1, Overflow::Drop));
    // Without a further frame it is asked again until it has left.
    for _ in 0..2 {
        assert_eq!(outbox.write_to(&stream).unwrap(), Flushed::Blocked);
        assert!(outbox.queue.is_empty());
    }
    memory.hold_back(false);
    assert_eq!(outbox.write_to(&stream).unwrap(), Flushed::All);
    assert_eq!(memory.receive(), b"one1");
}
