"""The reader of server-sent events, by the rules of WHATWG HTML 9.2.6."""

from __future__ import annotations

import pytest

from sluicegate.transports.event_stream import EventStream, StreamEvent

TABLE = [
    ("data: a\n\n", [("message", "a")]),
    ("event: ack\ndata:a\n\n", [("ack", "a")]),
    ("data: a\ndata: b\n\n", [("message", "a\nb")]),
    ("data: a\r\ndata: b\r\n\r\n", [("message", "a\nb")]),
    ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", [("message", "a"), ("message", "b"), ("message", "c")]),
    (": a comment\n\n", []),
    ("event: ack\n\ndata: a\n\n", [("message", "a")]),
    ("data:  two spaces\n\n", [("message", " two spaces")]),
    ("id: 5\nunknown: x\nno colon\ndata: a\n\n", [("message", "a")]),
    ("data: a\u2028b\x0bc\n\n", [("message", "a\u2028b\x0bc")]),
    ("data: not ended", []),
]


def read(pieces: list[str]) -> list[tuple[str, str]]:
    stream = EventStream()
    return [(event.event, event.data) for piece in pieces for event in stream.feed(piece)]


@pytest.mark.parametrize(("text", "events"), TABLE, ids=[repr(text) for text, _ in TABLE])
def test_events_are_the_same_however_they_are_cut(text: str, events: list[tuple[str, str]]) -> None:
    assert read([text]) == events
    assert read(list(text)) == events
    for at in range(len(text)):
        assert read([text[:at], text[at:]]) == events


def test_the_servers_wish_is_kept() -> None:
    stream = EventStream()
    assert stream.feed("retry: 1500\nretry: soon\n\n") == []
    assert stream.retry_ms == 1500


def test_an_event_is_bounded_and_many_are_not() -> None:
    stream = EventStream(limit=100)
    for _ in range(100):
        assert stream.feed("data: " + "x" * 50 + "\n\n") == [StreamEvent("message", "x" * 50)]
    with pytest.raises(ValueError, match="more than 100"):
        stream.feed("data: " + "x" * 101)
    stream = EventStream(limit=100)
    assert stream.feed("data\n" * 20) == []
    with pytest.raises(ValueError, match="more than 100"):
        stream.feed("data\n")
