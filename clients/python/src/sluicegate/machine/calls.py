"""Requests that only ask: `presence`, `history`. They are asked again after a reconnect, within their time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import SluicegateError, timed_out
from ..values import Envelope
from .connection import Connection
from .effects import Fail, Settle
from .options import REQUESTS_AT_ONCE, MachineOptions


@dataclass(slots=True, eq=False)
class Call:
    calls: Calls
    number: int
    kind: str
    payload: Envelope
    handle: Any
    read: Callable[[Envelope], Any]

    def acked(self, payload: Envelope, now: float) -> None:
        self.calls.end(self, Settle(self.handle, self.read(payload)))

    def refused(self, error: SluicegateError, now: float) -> None:
        self.calls.end(self, Fail(self.handle, error))


class Calls:
    def __init__(self, connection: Connection, options: MachineOptions) -> None:
        self._connection = connection
        self._options = options
        self._open: dict[int, Call] = {}
        self._count = 0

    def add(self, now: float, handle: Any, kind: str, payload: Envelope, read: Callable[[Envelope], Any]) -> None:
        if len(self._open) >= REQUESTS_AT_ONCE:
            text = f"{REQUESTS_AT_ONCE} requests wait for answers"
            self._connection.effects.append(Fail(handle, SluicegateError(0, "too_many_requests", text, retry=True)))
            return
        self._count += 1
        call = Call(self, self._count, kind, payload, handle, read)
        self._open[call.number] = call
        self._connection.timers.set(("call", call.number), now + self._options.timeout_ms)
        if self._connection.is_up:
            self._connection.request(kind, payload, call)

    def came_up(self) -> None:
        for call in self._open.values():
            self._connection.request(call.kind, call.payload, call)

    def timed_out(self, number: int) -> None:
        if call := self._open.get(number):
            self.end(call, Fail(call.handle, timed_out(call.kind)))

    def fail_all(self, error: SluicegateError) -> None:
        for call in self._open.copy().values():
            self.end(call, Fail(call.handle, error))

    def end(self, call: Call, effect: Settle | Fail) -> None:
        if self._open.pop(call.number, None) is None:
            return
        self._connection.timers.cancel(("call", call.number))
        self._connection.effects.append(effect)
