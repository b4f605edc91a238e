"""Server-sent events out of text in pieces (WHATWG HTML, 9.2.6). It knows no envelope."""

from __future__ import annotations

from dataclasses import dataclass

from .interface import RECEIVE_BYTES


@dataclass(frozen=True, slots=True)
class StreamEvent:
    event: str
    data: str


class EventStream:
    def __init__(self, limit: int = RECEIVE_BYTES) -> None:
        self._rest = ""
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._limit = limit
        self._ended_with_cr = False
        # What the server last said with `retry:`, in milliseconds.
        self.retry_ms: int | None = None

    def feed(self, text: str) -> list[StreamEvent]:
        """Events that are complete. Raises ValueError for one that is longer than the limit."""
        if self._ended_with_cr and text:
            text = text.removeprefix("\n")
            self._ended_with_cr = False
        self._ended_with_cr = text.endswith("\r")
        # Only these end a line; `splitlines` knows many more, which may stand in JSON.
        lines = (self._rest + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop()
        self._size += len(text)
        if self._size > self._limit:
            raise ValueError(f"an event of more than {self._limit} characters")
        return [event for event in map(self._line, lines) if event is not None]

    def _line(self, line: str) -> StreamEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = min(int(value[:9]), 3_600_000)
        return None

    def _dispatch(self) -> StreamEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data, self._size = "", [], len(self._rest)
        return StreamEvent(event, "\n".join(data)) if data else None
