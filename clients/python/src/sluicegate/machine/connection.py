"""The connection as the machine sees it: which one it is, what was asked on it, and what goes out."""

from __future__ import annotations

from typing import Any, Protocol

from ..errors import SluicegateError
from ..values import Envelope
from .effects import Effect, Send
from .options import PING_MS
from .timers import Timers


class ReplyHandler(Protocol):
    """Who sent a request, and gets its one reply."""

    def acked(self, payload: Envelope, now: float) -> None: ...

    def refused(self, error: SluicegateError, now: float) -> None: ...


class Connection:
    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.timers = Timers()
        self.attempt = 0
        self.is_up = False
        self.was_ever_up = False
        # The broker's clock, in milliseconds since the Unix epoch, when it last wrote.
        self.server_now: float | None = None
        # Of the ack to `connect`.
        self.session: str | None = None
        self.user: str | None = None
        self.ping_ms = PING_MS
        self.limits: Envelope = {}
        self._pending: dict[int, ReplyHandler] = {}
        self._last_id = 0

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def came_up(self, ack: Envelope) -> None:
        self.is_up = self.was_ever_up = True
        self.session = ack.get("session")
        self.user = ack.get("user")
        ping_ms = ack.get("ping_ms")
        self.ping_ms = float(ping_ms) if isinstance(ping_ms, (int, float)) and ping_ms > 0 else PING_MS
        limits = ack.get("limits")
        self.limits = limits if isinstance(limits, dict) else {}

    def went_down(self) -> None:
        self.is_up = False
        self._pending.clear()

    def limit(self, name: str) -> float | None:
        value = self.limits.get(name)
        return float(value) if isinstance(value, (int, float)) else None

    def request(self, kind: str, payload: Envelope | None, handler: ReplyHandler) -> int:
        id = self.next_id()
        envelope: dict[str, Any] = {"type": kind, "id": id}
        if payload is not None:
            envelope["payload"] = payload
        self._pending[id] = handler
        self.effects.append(Send(self.attempt, envelope))
        return id

    def take_handler(self, id: object) -> ReplyHandler | None:
        return self._pending.pop(id, None) if isinstance(id, int) else None
