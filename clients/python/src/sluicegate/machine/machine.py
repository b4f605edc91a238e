"""The connection's life: token, opening, up, waiting to try again, ended. What is asked on it is the business of others here."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import Any, Literal

from ..errors import SluicegateError, closed, timed_out
from ..values import ClientState, Envelope, HistoryPage, StateChange, read_members
from . import closes
from .backoff import Backoff
from .calls import Calls
from .connection import Connection
from .effects import Close, Complain, Effect, Fail, Open, Report, Settle
from .heartbeat import TIMER as HEARTBEAT_TIMER
from .heartbeat import Heartbeat
from .options import STABLE_MS, MachineOptions
from .publishes import RATE_TIMER, PublishQueue
from .rooms import PACE_TIMER, Rooms
from .route import Route
from .tokens import ASK_TIMER, REFRESH_TIMER, Tokens

Phase = Literal["idle", "token", "opening", "up", "waiting"]
PHASE_TIMER = "phase"
CONNECT_TIMER = "connect"
PROTOCOL_VERSION = 1


class Machine:
    """Each method is an event at a time in milliseconds. ``take`` has what follows from it; ``next_wake`` says when to call ``wake``."""

    def __init__(self, options: MachineOptions, random: Random) -> None:
        self._options = options
        self._connection = Connection()
        self._backoff = Backoff(options.base_ms, options.max_ms, random)
        self._route = Route(options.transports)
        self._tokens = Tokens(self._connection, options, random)
        self._heartbeat = Heartbeat(self._connection)
        self.rooms = Rooms(self._connection, options, random)
        self._publishes = PublishQueue(self._connection, options, self.rooms.inbox)
        self._calls = Calls(self._connection, options)
        self._phase: Phase = "idle"
        self._reported: ClientState = "disconnected"
        # Calls of `connect` that wait.
        self._connecting: list[Any] = []
        self._last_error = timed_out("connect")
        # The payload of the broker's `disconnect`, which comes just before the close.
        self._disconnect: Envelope = {}
        self._up_since = 0.0
        # What the broker asked for at the end of the last connection.
        self._not_before = 0.0
        self._asked_once_more = False
        # Why the client ended, until it is connected again.
        self._ended: SluicegateError | None = None

    # What the driver reads.

    @property
    def state(self) -> ClientState:
        return self._reported

    @property
    def session(self) -> str | None:
        return self._connection.session if self._connection.is_up else None

    @property
    def user(self) -> str | None:
        return self._connection.user if self._connection.is_up else None

    @property
    def transport(self) -> str | None:
        return self._route.current.name if self._connection.is_up else None

    def take(self) -> list[Effect]:
        effects, self._connection.effects = self._connection.effects, []
        return effects

    def next_wake(self) -> float | None:
        return self._connection.timers.next()

    # What the user asks for.

    def connect(self, now: float, handle: Any) -> None:
        if self._phase == "up":
            self._emit(Settle(handle, None))
            return
        if not self._connecting:
            # Long enough to get a token and to try every transport.
            steps = len(self._options.transports) + self._options.asks_for_tokens
            self._connection.timers.set(CONNECT_TIMER, now + self._options.timeout_ms * steps)
        self._connecting.append(handle)
        self.try_now(now)
        if self._phase == "idle":
            self._ended = None
            self._last_error = timed_out("connect")
            self._backoff.reset()
            self._asked_once_more = False
            self.rooms.begin()
            self._begin(now)

    def disconnect(self, now: float) -> None:
        if self._phase != "idle":
            self._report(StateChange("disconnected"))
        if self._ended is None:
            self._end(closed())

    def subscribe(self, now: float, channel: str, handle: Any, recover: bool = True, presence: bool = False) -> None:
        if self._is_open(handle):
            self.rooms.subscribe(now, channel, handle, recover, presence)

    def unsubscribe(self, now: float, channel: str, handle: Any) -> None:
        self.rooms.unsubscribe(now, channel, handle)

    def publish(self, now: float, handle: Any, channel: str, payload: Envelope, size: int, timeout_ms: float | None = None) -> None:
        if self._is_open(handle):
            self._publishes.add(now, handle, channel, payload, size, timeout_ms)

    def members(self, now: float, handle: Any, channel: str) -> None:
        if self._is_open(handle):
            read: Callable[[Envelope], Any] = lambda payload: read_members(payload.get("members"))  # noqa: E731
            self._calls.add(now, handle, "presence", {"channel": channel}, read)

    def history(self, now: float, handle: Any, payload: Envelope) -> None:
        channel: str = payload["channel"]
        if self._is_open(handle):
            self._calls.add(now, handle, "history", payload, lambda answer: HistoryPage.read(channel, answer))

    # What the driver tells.

    def token(self, now: float, number: int, token: str) -> None:
        reason = self._tokens.came(number, token)
        if reason is None:
            return
        if self._phase == "token":
            self._open(now)
        elif self._phase == "up":
            self._tokens.send_refresh()

    def token_failed(self, now: float, number: int, error: SluicegateError) -> None:
        if self._tokens.failed(number) is None:
            return
        if self._phase == "token":
            self._failed(now, error, is_final=True)
        elif self._phase == "up":
            self._emit(Complain(error))
            self._tokens.again_later(now)

    def open_failed(self, now: float, attempt: int, error: SluicegateError, is_final: bool, is_unreachable: bool) -> None:
        """No connection: ``is_final`` if the same request would fail again, ``is_unreachable`` if nobody is at that address."""
        if attempt != self._connection.attempt or self._phase != "opening":
            return
        self._last_error = error
        is_too_large = error.reason == "http_413" and self.rooms.were_too_many_in_connect()
        if is_too_large or (not error.retry_after_ms and self._route.next(is_unreachable)):
            self._open(now)
            return
        self._failed(now, error, is_final)

    def heard(self, now: float, attempt: int) -> None:
        """Something came that is no envelope."""
        if attempt == self._connection.attempt:
            self._heartbeat.heard(now)

    def received(self, now: float, attempt: int, envelope: Envelope) -> None:
        if attempt != self._connection.attempt or self._phase not in ("opening", "up"):
            return
        self._heartbeat.heard(now)
        if isinstance(envelope.get("ts"), (int, float)):
            self._connection.server_now = float(envelope["ts"])
        kind, payload = envelope.get("type"), envelope.get("payload")
        fields: Envelope = payload if isinstance(payload, dict) else {}
        if kind == "disconnect":
            self._disconnect = fields
        elif self._phase == "opening":
            if kind == "ack":
                self._came_up(now, fields)
            elif kind == "error":
                self._connect_refused(now, SluicegateError.read(payload))
        elif kind == "ack":
            if handler := self._connection.take_handler(envelope.get("id")):
                handler.acked(fields, now)
        elif kind == "error":
            error = SluicegateError.read(payload)
            if handler := self._connection.take_handler(envelope.get("id")):
                handler.refused(error, now)
            if closes.wants_token(error):
                self._tokens.renew(now)
        else:
            self.rooms.pushed(now, envelope)
            if self.rooms.overflowed:
                self._lost(now, closes.LOST, "too_many_held_messages")

    def lost(self, now: float, attempt: int, code: int, reason: str, error: SluicegateError | None = None) -> None:
        """The connection ended, by the broker or by itself; with ``error`` if what ended it is to be told."""
        if attempt == self._connection.attempt and self._phase in ("opening", "up"):
            self._lost(now, code, reason, error)

    def wake(self, now: float) -> None:
        for name in self._connection.timers.due(now):
            self._timer(now, name)

    def try_now(self, now: float) -> None:
        """The network is said to be back: do not wait for the next try longer than the broker asked for, nor for a heartbeat."""
        if self._phase == "waiting":
            self._connection.timers.set(PHASE_TIMER, max(now, self._not_before))
        elif self._phase == "up":
            self._heartbeat.ask_now(now, self._options.timeout_ms)

    # Inside.

    def _timer(self, now: float, name: Hashable) -> None:
        if isinstance(name, tuple):
            by_kind: dict[str, Callable[[Any], None]] = {
                "publish": self._publishes.timed_out,
                "call": self._calls.timed_out,
                "subscribe": self.rooms.timed_out,
                "leave": self.rooms.left,
                "missing": self.rooms.ask_missing,
                "again": lambda channel: self.rooms.ask_again(now, channel),
            }
            by_kind[name[0]](name[1])
        elif name == HEARTBEAT_TIMER:
            if self._heartbeat.is_dead(now):
                self._lost(now, closes.NO_HEARTBEAT, "no_heartbeat")
        elif name == RATE_TIMER:
            self._publishes.drain(now)
        elif name == PACE_TIMER:
            self.rooms.pump(now)
        elif name == REFRESH_TIMER:
            self._tokens.refresh(now)
        elif name == ASK_TIMER:
            text = f"get_token did not return within {self._options.timeout_ms:.0f} ms"
            self.token_failed(now, self._tokens.number, SluicegateError(0, "token_failed", text, retry=True))
        elif name == CONNECT_TIMER:
            self._fail_connecting(self._last_error)
        elif name == PHASE_TIMER and self._phase == "opening":
            text = f"no answer to connect within {self._options.timeout_ms:.0f} ms"
            self._emit(Close(self._connection.attempt))
            self.open_failed(now, self._connection.attempt, SluicegateError(0, "timeout", text, retry=True), False, False)
        elif name == PHASE_TIMER and self._phase == "waiting":
            self._begin(now)

    def _begin(self, now: float) -> None:
        """A round: a token if there is none, then the transports in their order."""
        self._route.begin()
        self._report(StateChange("connecting"))
        if self._tokens.can_ask and self._tokens.current is None:
            self._phase = "token"
            self._connection.timers.cancel(PHASE_TIMER)
            self._tokens.ask(now, self._tokens.reason)
        else:
            self._open(now)

    def _open(self, now: float) -> None:
        self.rooms.went_down()
        self._phase = "opening"
        self._disconnect = {}
        connection = self._connection
        connection.attempt += 1
        connection.timers.set(PHASE_TIMER, now + self._options.timeout_ms)
        transport = self._route.current
        payload: Envelope = {"version": PROTOCOL_VERSION}
        if self._tokens.current is not None:
            payload["token"] = self._tokens.current
        if self._options.client is not None:
            payload["client"] = {"name": self._options.client[0], "version": self._options.client[1]}
        if self._options.data is not None:
            payload["data"] = self._options.data
        if transport.subscribes_in_connect and (subscribe := self.rooms.connect_payloads()):
            payload["subscribe"] = subscribe
        connect = {"type": "connect", "id": connection.next_id(), "payload": payload}
        self._emit(Open(connection.attempt, transport.name, connect))

    def _came_up(self, now: float, ack: Envelope) -> None:
        self._phase = "up"
        self._up_since = now
        self._connection.timers.cancel(PHASE_TIMER)
        self._connection.timers.cancel(CONNECT_TIMER)
        self._connection.came_up(ack)
        self._route.remember()
        self._report(StateChange("connected"))
        connecting, self._connecting = self._connecting, []
        for handle in connecting:
            self._emit(Settle(handle, None))
        self._heartbeat.start(now, self._route.current.pings)
        self._tokens.came_up(now, ack)
        self.rooms.came_up(now, ack.get("subscriptions"))
        self._calls.came_up()
        self._publishes.came_up(now)

    def _connect_refused(self, now: float, error: SluicegateError) -> None:
        """The close follows from the error, and need not be waited for."""
        if error.retry_after_ms is not None:
            self._disconnect = {"retry_after_ms": error.retry_after_ms}
        self._lost(now, closes.after_refused_connect(error), error.reason, error)

    def _lost(self, now: float, code: int, reason: str, error: SluicegateError | None = None) -> None:
        announced, self._disconnect = self._disconnect, {}
        if code == closes.LOST and isinstance(announced.get("code"), int):
            code, reason = announced["code"], str(announced.get("reason"))
        was_opening = self._phase == "opening"
        if was_opening:
            error = self._last_error = error or closes.before_accepted(code, reason)
            is_too_large = code == closes.TOO_LARGE and self.rooms.were_too_many_in_connect()
            # Without a code, as behind a proxy that knows no WebSocket, another transport may do better.
            if is_too_large or (code == closes.LOST and self._route.next(False)):
                self._open(now)
                return
        elif now - self._up_since >= STABLE_MS:
            self._backoff.reset()
            self._asked_once_more = False
        self._went_down(now)
        if code == closes.TOKEN_EXPIRED or (error is not None and closes.wants_token(error)):
            self._tokens.has_expired()
        if code == closes.NOT_AUTHENTICATED and self._tokens.can_ask and not self._asked_once_more:
            self._asked_once_more = True
            self._tokens.has_expired()
            self._report(StateChange("disconnected", code, reason, 0))
            self._begin(now)
            return
        why = error or SluicegateError(code, reason, f"the connection ended with {code} {reason}")
        if closes.is_final(code):
            self._emit(Complain(why))
            self._report(StateChange("disconnected", code, reason))
            self._end(why)
            return
        after = announced.get("retry_after_ms")
        if error is not None:
            self._emit(Complain(error))
        self._wait(now, code, reason, after if isinstance(after, (int, float)) else None)

    def _failed(self, now: float, error: SluicegateError, is_final: bool) -> None:
        """A round brought no connection. The next one may, after a deploy say, but whoever waits is told what looks lasting."""
        self._last_error = error
        self._emit(Complain(error))
        self._went_down(now)
        if is_final:
            self._fail_connecting(error)
        self._wait(now, error.code or None, error.reason, error.retry_after_ms)

    def _wait(self, now: float, code: int | None, reason: str, at_least_ms: float | None) -> None:
        self._phase = "waiting"
        self._not_before = now + (at_least_ms or 0.0)
        wait = self._backoff.next(at_least_ms)
        self._connection.timers.set(PHASE_TIMER, now + wait)
        self._report(StateChange("disconnected", code, reason, round(wait)))

    def _went_down(self, now: float) -> None:
        """Nothing more is sent or heard on the connection that there was."""
        connection = self._connection
        if self._phase in ("opening", "up"):
            self._emit(Close(connection.attempt))
        connection.timers.cancel(PHASE_TIMER)
        connection.went_down()
        connection.attempt += 1
        self._heartbeat.stop()
        self._tokens.went_down()
        self.rooms.went_down()
        self._publishes.went_down(now)

    def _is_open(self, handle: Any) -> bool:
        """Calls wait for a client that was not connected yet, not for one that has ended."""
        if self._ended is not None:
            self._emit(Fail(handle, self._ended))
        return self._ended is None

    def _end(self, error: SluicegateError) -> None:
        self._ended = error
        if self._phase in ("opening", "up"):
            self._emit(Close(self._connection.attempt))
        self._phase = "idle"
        connection = self._connection
        connection.timers.cancel(PHASE_TIMER)
        connection.went_down()
        connection.attempt += 1
        self._heartbeat.stop()
        self._tokens.went_down()
        self._tokens.forget_question()
        self.rooms.went_down()
        self.rooms.fail_all(error)
        self._publishes.fail_all(error)
        self._calls.fail_all(error)
        self._fail_connecting(error)

    def _fail_connecting(self, error: SluicegateError) -> None:
        self._connection.timers.cancel(CONNECT_TIMER)
        connecting, self._connecting = self._connecting, []
        for handle in connecting:
            self._emit(Fail(handle, error))

    def _report(self, change: StateChange) -> None:
        self._reported = change.state
        self._emit(Report(change))

    def _emit(self, effect: Effect) -> None:
        self._connection.effects.append(effect)
