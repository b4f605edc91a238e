"""Carries out what the machine asks for: sockets, tasks, the clock, and what the user awaits. It decides nothing."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .errors import SluicegateError
from .machine import AskToken, Close, Complain, Deliver, Effect, Fail, Machine, Open, Report, Send, Settle
from .settings import GetToken, Settings
from .transports import ConnectionEnded, OpenFailed, Refused, Transport, transport
from .values import Envelope, StateChange

LOST = 1006


@dataclass(frozen=True, slots=True)
class User:
    """Who is told what belongs to no call."""

    # By channel and event.
    deliver: Callable[[str, str, Any], None]
    report: Callable[[StateChange], None]
    complain: Callable[[SluicegateError], None]


@dataclass(slots=True, eq=False)
class _Attempt:
    number: int
    transport: Transport
    task: asyncio.Task[None] | None = None
    writing: asyncio.Task[None] | None = None
    outgoing: deque[Envelope] = field(default_factory=deque)
    has_outgoing: asyncio.Event = field(default_factory=asyncio.Event)


class Driver:
    def __init__(self, settings: Settings, user: User) -> None:
        self._settings = settings
        self._user = user
        self.machine = Machine(settings.machine, Random())
        self._attempts: dict[int, _Attempt] = {}
        # Also that of a token, and those whose connection has ended, until their sockets are closed.
        self._tasks: set[asyncio.Task[None]] = set()
        self._token_task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_stepping = False
        # In which the client lives.
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        """Milliseconds of a clock that only goes forward."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)
        return loop.time() * 1000.0

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Raises RuntimeError where the client is at work in another loop. What a loop that was closed left behind is at an end."""
        before, is_at_work = self._loop, bool(self._tasks or self._timer)
        if before is not None and is_at_work and not before.is_closed():
            raise RuntimeError("this client is at work in another event loop; see asyncio.run_coroutine_threadsafe")
        self._loop = loop
        self._timer = self._token_task = None
        self._attempts.clear()
        self._tasks.clear()
        if is_at_work:
            self.machine.disconnect(loop.time() * 1000.0)

    def size(self, value: Any) -> int:
        """Bytes of this in the client's format. Fails with ``bad_data`` where it has no words for it."""
        try:
            encoded = self._settings.codec.encode(value)
        except (TypeError, ValueError, RecursionError) as cause:
            raise SluicegateError(0, "bad_data", f"it cannot be written in the client's format: {cause}") from cause
        return len(encoded.encode() if isinstance(encoded, str) else encoded)

    def begin(self, act: Callable[[float, asyncio.Future[Any]], None]) -> asyncio.Future[Any]:
        """A call that has its effect now, and the future that the machine settles."""
        handle: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        act(self.now(), handle)
        self.step()
        return handle

    async def call(self, act: Callable[[float, asyncio.Future[Any]], None]) -> Any:
        """What the machine settles a call with."""
        return await self.begin(act)

    def disconnect(self) -> asyncio.Future[Any]:
        """Done when the sockets are closed."""
        self.machine.disconnect(self.now())
        self.step()
        self._drop_token_task()
        # A caller that goes away does not leave a socket half closed.
        return asyncio.shield(asyncio.gather(*self._tasks, return_exceptions=True))

    def step(self) -> None:
        """Carries out what is asked for until nothing is. Listeners that call the client in turn come in here again, and return."""
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while effects := self.machine.take():
                for effect in effects:
                    self._carry_out(effect)
        finally:
            self._is_stepping = False
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.machine.next_wake()
        if at is not None:
            self._timer = asyncio.get_running_loop().call_at(at / 1000.0, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.machine.wake(self.now())
        self.step()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send():
                if attempt := self._attempts.get(effect.attempt):
                    attempt.outgoing.append(effect.request)
                    attempt.has_outgoing.set()
            case Deliver():
                self._user.deliver(effect.channel, effect.event, effect.value)
            case Settle():
                if _is_awaited(effect.handle):
                    effect.handle.set_result(effect.value)
            case Fail():
                if _is_awaited(effect.handle):
                    effect.handle.set_exception(effect.error)
            case Open():
                self._open(effect)
            case Close():
                self._close(effect.attempt)
            case AskToken():
                self._drop_token_task()
                self._token_task = self._begin_task(self._ask_token(effect))
            case Report():
                self._user.report(effect.change)
            case Complain():
                self._user.complain(effect.error)

    def _open(self, effect: Open) -> None:
        attempt = _Attempt(effect.attempt, transport(effect.transport, self._settings.urls, self._settings.codec))
        self._attempts[effect.attempt] = attempt
        attempt.task = self._begin_task(self._run(attempt, effect.connect))

    def _begin_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _close(self, number: int) -> None:
        attempt = self._attempts.pop(number, None)
        if attempt is not None and attempt.task is not None:
            attempt.task.cancel()

    async def _run(self, attempt: _Attempt, connect: Envelope) -> None:
        """A connection from its beginning to its end."""
        try:
            try:
                await attempt.transport.open(connect)
                await self._exchange(attempt)
            except Exception as cause:
                # From here on there is nothing that the machine could close.
                self._attempts.pop(attempt.number, None)
                self._ended(attempt.number, cause)
                self.step()
        finally:
            # The machine knows by now, so nobody waits for what this takes.
            if attempt.writing is not None:
                attempt.writing.cancel()
            with suppress(Exception):
                await attempt.transport.close()
            if attempt.writing is not None:
                await asyncio.gather(attempt.writing, return_exceptions=True)

    def _ended(self, number: int, cause: Exception) -> None:
        machine, now = self.machine, self.now()
        match cause:
            case OpenFailed():
                machine.open_failed(now, number, cause.error, cause.is_final, cause.is_unreachable)
            case Refused():
                machine.received(now, number, {"type": "error", "payload": cause.error})
            case ConnectionEnded():
                machine.lost(now, number, cause.code, cause.reason)
            case _:
                # Nothing known raises anything else. Whatever it is, it costs this connection, and is told.
                error = SluicegateError(0, "connection_failed", f"{type(cause).__name__}: {cause}", retry=True)
                error.__cause__ = cause
                machine.lost(now, number, LOST, error.reason, error)

    async def _exchange(self, attempt: _Attempt) -> None:
        attempt.writing = asyncio.ensure_future(self._write(attempt))
        while True:
            envelopes = await attempt.transport.receive()
            now = self.now()
            if not envelopes:
                self.machine.heard(now, attempt.number)
            for envelope in envelopes:
                self.machine.received(now, attempt.number, envelope)
            self.step()

    async def _write(self, attempt: _Attempt) -> None:
        while True:
            await attempt.has_outgoing.wait()
            attempt.has_outgoing.clear()
            requests = list(attempt.outgoing)
            attempt.outgoing.clear()
            try:
                await attempt.transport.send(requests)
            except (TypeError, ValueError):
                # The transport's format is not the client's, and has no words for something.
                await self._write_one_by_one(attempt, requests)

    async def _write_one_by_one(self, attempt: _Attempt, requests: list[Envelope]) -> None:
        for request in requests:
            try:
                await attempt.transport.send([request])
            except (TypeError, ValueError) as cause:
                payload = {"code": 0, "reason": "bad_data", "message": str(cause)}
                self.machine.received(self.now(), attempt.number, {"type": "error", "id": request["id"], "payload": payload})
                self.step()

    async def _ask_token(self, question: AskToken) -> None:
        try:
            if self._settings.get_token is None:
                raise TypeError("no get_token was given")
            token = _call(self._settings.get_token, question.reason)
            if inspect.isawaitable(token):
                token = await token
            if not isinstance(token, str) or not token:
                got = "an empty text" if token == "" else type(token).__name__
                raise TypeError(f"it must return a token, not {got}")
        except Exception as cause:
            error = SluicegateError(0, "token_failed", f"get_token failed: {cause!r}", retry=True)
            error.__cause__ = cause
            self.machine.token_failed(self.now(), question.number, error)
        else:
            self.machine.token(self.now(), question.number, token)
        self.step()

    def _drop_token_task(self) -> None:
        if self._token_task is not None and not self._token_task.done():
            self._token_task.cancel()
        self._token_task = None


def _is_awaited(handle: asyncio.Future[Any]) -> bool:
    return not handle.done() and not handle.get_loop().is_closed()


def _call(get_token: GetToken, reason: str) -> Any:
    """By position, or by name where it takes `reason` so only."""
    try:
        inspect.signature(get_token).bind(reason)
    except (TypeError, ValueError):
        return get_token(reason=reason)  # type: ignore[call-arg]
    return get_token(reason)
