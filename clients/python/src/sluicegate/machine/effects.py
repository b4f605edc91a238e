"""What the machine asks its driver to do. A handle is the driver's own, a future as a rule; the machine only gives it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import SluicegateError
from ..values import Envelope, StateChange

TokenReason = Literal["connect", "refresh", "expired"]
RoomEvent = Literal["message", "gap", "join", "leave", "presence", "state", "error"]


@dataclass(frozen=True, slots=True)
class Open:
    """Open a connection by this transport, and send ``connect``. What the driver tells of it carries ``attempt``."""

    attempt: int
    transport: str
    connect: Envelope


@dataclass(frozen=True, slots=True)
class Send:
    attempt: int
    request: Envelope


@dataclass(frozen=True, slots=True)
class Close:
    """Nothing more is wanted of this connection."""

    attempt: int


@dataclass(frozen=True, slots=True)
class AskToken:
    """Call ``get_token``; the answer carries ``number``."""

    number: int
    reason: TokenReason


@dataclass(frozen=True, slots=True)
class Settle:
    handle: Any
    value: Any


@dataclass(frozen=True, slots=True)
class Fail:
    handle: Any
    error: SluicegateError


@dataclass(frozen=True, slots=True)
class Report:
    change: StateChange


@dataclass(frozen=True, slots=True)
class Complain:
    """An error that belongs to no call."""

    error: SluicegateError


@dataclass(frozen=True, slots=True)
class Deliver:
    channel: str
    event: RoomEvent
    value: Any


Effect = Open | Send | Close | AskToken | Settle | Fail | Report | Complain | Deliver
