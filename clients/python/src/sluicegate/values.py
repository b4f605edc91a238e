"""What the SDK hands out. It does not know how it came."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

Envelope = dict[str, Any]
ClientState = Literal["disconnected", "connecting", "connected"]
RoomState = Literal["unsubscribed", "subscribing", "subscribed"]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel's history: offsets grow by 1 within an epoch."""

    epoch: str
    offset: int

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Position | None:
        epoch, offset = fields.get("epoch"), fields.get("offset")
        if isinstance(epoch, str) and isinstance(offset, int):
            return cls(epoch, offset)
        return None

    def payload(self) -> Envelope:
        return {"epoch": self.epoch, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who published: ``user`` is None for an anonymous session."""

    user: str | None
    session: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A session that is present in a channel. ``user`` is None for an anonymous one; ``info`` is what the broker says of it, or None."""

    user: str | None
    session: str
    info: Any = None

    @classmethod
    def read(cls, payload: object) -> Member | None:
        if not isinstance(payload, dict) or not isinstance(payload.get("session"), str):
            return None
        return cls(payload.get("user"), payload["session"], payload.get("info"))


def read_members(payload: object) -> list[Member]:
    members = payload if isinstance(payload, list) else []
    return [member for member in map(Member.read, members) if member is not None]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a channel. ``data`` is what was published, bytes in a binary channel. ``id`` is the same for every receiver. ``ts`` is
    the broker's time in milliseconds since 1970. ``offset`` and ``epoch`` are its place in the history, None where it is in none. ``from_``
    is None for what an operator published. ``tags`` is what plugins say of it. ``recovered`` is True for what was read from the history: it
    was missed, or asked for."""

    channel: str
    id: str
    data: Any
    ts: int | None = None
    epoch: str | None = None
    offset: int | None = None
    from_: Sender | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    recovered: bool = False

    @property
    def position(self) -> Position | None:
        if self.epoch is None or self.offset is None:
            return None
        return Position(self.epoch, self.offset)

    @classmethod
    def read(cls, envelope: object, channel: str, recovered: bool = False) -> Message | None:
        """A ``message`` envelope; None if it is not one."""
        if not isinstance(envelope, dict) or not isinstance(envelope.get("id"), str):
            return None
        at = Position.read(envelope)
        sender = envelope.get("from")
        tags = envelope.get("tags")
        return cls(
            channel,
            envelope["id"],
            _data(envelope),
            envelope.get("ts"),
            at.epoch if at else None,
            at.offset if at else None,
            Sender(sender.get("user"), sender.get("session")) if isinstance(sender, dict) else None,
            tags if isinstance(tags, dict) else {},
            recovered,
        )


def _data(envelope: Mapping[str, Any]) -> Any:
    """In JSON the bytes of a binary channel are base64."""
    data = envelope.get("payload")
    if envelope.get("encoding") != "base64" or not isinstance(data, str):
        return data
    try:
        return b64decode(data, validate=True)
    except ValueError:
        return data


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages after ``from_``, up to and including ``to``, were missed and are not handed out, because the history does not reach back
    to ``from_``. ``channel.history()`` reads what it still has of them; after a new epoch that may be all. ``from_`` is the last
    position that the client had; ``to`` is None where the broker did not say where the channel is."""

    from_: Position | None
    to: Position | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """The broker accepted a message. ``duplicate`` is True if an earlier publish had the same key: then ``id`` is that of the earlier
    message, and nothing was delivered again."""

    id: str
    epoch: str | None = None
    offset: int | None = None
    duplicate: bool = False

    @property
    def position(self) -> Position | None:
        if self.epoch is None or self.offset is None:
            return None
        return Position(self.epoch, self.offset)

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Published | None:
        at = Position.read(payload)
        if not isinstance(payload.get("message"), str):
            return None
        return cls(payload["message"], at.epoch if at else None, at.offset if at else None, payload.get("duplicate") is True)


@dataclass(frozen=True, slots=True)
class StateChange:
    """The client's new state. ``code`` and ``reason`` say why a connection ended. ``retry_in_ms`` says when the next try begins, in
    milliseconds; it is None in ``disconnected`` if there is none."""

    state: ClientState
    code: int | None = None
    reason: str | None = None
    retry_in_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RoomChange:
    """The channel's new state; ``code`` and ``reason`` say why the broker ended a subscription."""

    state: RoomState
    code: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage(Sequence[Message]):
    """Messages of a history. ``epoch`` and ``offset`` are the channel's newest position, not that of the last message here."""

    messages: list[Message]
    epoch: str | None = None
    offset: int | None = None

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return self.messages[index]

    @classmethod
    def read(cls, channel: str, payload: Mapping[str, Any]) -> HistoryPage:
        listed = payload.get("messages")
        read = (Message.read(message, channel, recovered=True) for message in (listed if isinstance(listed, list) else []))
        at = Position.read(payload)
        return cls([message for message in read if message], at.epoch if at else None, at.offset if at else None)
