"""A machine with a clock that tests own: what happens to it, and what it asked for, in words."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from sluicegate.errors import SluicegateError
from sluicegate.machine import Deliver, Effect, Fail, Machine, MachineOptions, Open, Report, Send, Settle
from sluicegate.machine.options import TransportTraits
from sluicegate.values import Envelope

E = TypeVar("E", bound=Effect)

WEBSOCKET = TransportTraits("websocket", "host:1")
SSE = TransportTraits("sse", "host:1", subscribes_in_connect=False, pings=False)
POLL = TransportTraits("poll", "elsewhere:1", pings=False)
EPOCH_MS = 1_795_326_347_792
UNREACHABLE = SluicegateError(0, "unreachable", "connection refused", retry=True)
FORBIDDEN = SluicegateError(0, "http_403", "no WebSocket here")


class Scene:
    def __init__(self, transports: tuple[TransportTraits, ...] = (WEBSOCKET,), seed: int = 7, **options: Any) -> None:
        self.machine = Machine(MachineOptions(transports=transports, **options), Random(seed))
        self.now = 0.0
        self.log: list[Effect] = []
        # Whether the broker answers pings, without which no connection lives long.
        self.answers_pings = True
        self._pings = 0

    # What happens.

    def connect(self, handle: Any = "connect") -> Scene:
        self.machine.connect(self.now, handle)
        return self

    def connected(self, **ack: Any) -> Scene:
        """From the beginning to the ack."""
        self.connect()
        return self.acked(**ack)

    def acked(self, **ack: Any) -> Scene:
        """The broker accepts the connection that was opened last."""
        opened = self.last(Open)
        payload = {"session": "s1", "node": "n", "version": 1, "ping_ms": 25_000, "limits": {"message_bytes": 65_536}, **ack}
        if "subscriptions" not in payload and "subscribe" in opened.connect["payload"]:
            payload["subscriptions"] = [{"channel": it["channel"]} for it in opened.connect["payload"]["subscribe"]]
        return self.receive("ack", opened.connect["id"], payload)

    def receive(self, kind: str, id: Any = None, payload: Any = None, **fields: Any) -> Scene:
        envelope = {"type": kind, "id": id, "ts": EPOCH_MS + int(self.now), "payload": payload, **fields}
        self.machine.received(self.now, self.last(Open).attempt, envelope)
        return self

    def reply(self, request: Envelope, payload: Any = None) -> Scene:
        return self.receive("ack", request["id"], payload if payload is not None else {})

    def refuse(self, request: Envelope, code: int, reason: str = "why", **fields: Any) -> Scene:
        return self.receive("error", request["id"], {"code": code, "reason": reason, "message": "", "retry": False, **fields})

    def message(self, channel: str, id: str, offset: int | None = None, epoch: str = "E", data: Any = None) -> Scene:
        place = {} if offset is None else {"epoch": epoch, "offset": offset}
        return self.receive("message", id, data, channel=channel, **place)

    def lost(self, code: int = 1006, reason: str = "connection_lost") -> Scene:
        self.machine.lost(self.now, self.last(Open).attempt, code, reason)
        return self

    def open_fails(self, error: SluicegateError = UNREACHABLE, is_final: bool = False) -> Scene:
        is_unreachable = error.reason == "unreachable"
        self.machine.open_failed(self.now, self.last(Open).attempt, error, is_final, is_unreachable)
        return self

    def pass_ms(self, ms: float) -> Scene:
        """Time passes, and the machine is woken whenever it wished to be."""
        end = self.now + ms
        while (at := self.machine.next_wake()) is not None and at <= end:
            self.now = max(self.now, at)
            self._wake()
        self.now = end
        return self

    def until(self, happened: Callable[[], bool], within_ms: float = 600_000) -> float:
        """How long it takes until that happens by itself."""
        start, end = self.now, self.now + within_ms
        while not happened():
            at = self.machine.next_wake()
            assert at is not None, "it does not happen"
            assert at <= end, "it does not happen in time"
            self.now = max(self.now, at)
            self._wake()
        return self.now - start

    def _wake(self) -> None:
        self.machine.wake(self.now)
        self.effects()
        if self.answers_pings:
            for ping in self.sent("ping")[self._pings :]:
                self._pings += 1
                self.reply(ping)

    def publish(self, channel: str, handle: Any, size: int = 100, timeout_ms: float | None = None, **payload: Any) -> Scene:
        fields = {"channel": channel, "data": handle, "key": f"key-{handle}", **payload}
        self.machine.publish(self.now, handle, channel, fields, size, timeout_ms)
        return self

    def subscribe(self, channel: str, handle: Any = "subscribe", **options: bool) -> Scene:
        self.machine.subscribe(self.now, channel, handle, **options)
        return self

    # What followed.

    def effects(self) -> list[Effect]:
        """All so far."""
        self.log += self.machine.take()
        return self.log

    def all(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects() if isinstance(effect, kind)]

    def last(self, kind: type[E]) -> E:
        return self.all(kind)[-1]

    def forget(self) -> Scene:
        """What follows is looked at by itself; what was opened last is not forgotten."""
        self.effects()
        opened = self.all(Open)[-1:]
        self.log = [*opened]
        self._pings = 0
        return self

    def sent(self, kind: str) -> list[Envelope]:
        return [effect.request for effect in self.all(Send) if effect.request["type"] == kind]

    def told(self, channel: str, *events: str) -> list[Any]:
        """What the channel's listeners got."""
        return [effect.value for effect in self.all(Deliver) if effect.channel == channel and effect.event in events]

    def outcome(self, handle: Any) -> Any:
        """What a call was settled with: None while it waits."""
        found = [effect for effect in self.effects() if isinstance(effect, (Settle, Fail)) and effect.handle == handle]
        assert len(found) <= 1, f"{handle} was settled more than once"
        if not found:
            return None
        return found[0].error if isinstance(found[0], Fail) else (found[0].value if found[0].value is not None else "done")

    def states(self) -> list[str]:
        return [effect.change.state for effect in self.all(Report)]
