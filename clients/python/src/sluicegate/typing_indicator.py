"""Who types. Ephemeral messages say it, and expire by themselves: nobody has to say that they have stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .emitter import Emitter, Listener, OnRaise
from .errors import SluicegateError
from .values import Message, Sender

# The field of a message that says it, beside no other. The SDKs of all languages write the same.
FIELD = "$typing"
# How long somebody counts as typing after a message that says so, and how often one is sent at most, in seconds.
LASTS_SECONDS = 5.0
AGAIN_SECONDS = 2.0
# Sessions that are remembered as typing in a channel, at most. Others are not shown.
TYPISTS = 100


def typing_in(message: Message) -> bool | None:
    """Whether a message says that somebody types (True) or has stopped (False)."""
    data = message.data
    if message.offset is None and isinstance(data, dict) and len(data) == 1 and isinstance(data.get(FIELD), bool):
        return bool(data[FIELD])
    return None


@dataclass(slots=True, eq=False)
class _Typist:
    name: str
    timer: asyncio.TimerHandle


class Typing:
    """Who types in a channel. Made by ``channel.typing()``."""

    def __init__(self, say: Callable[[Any], Awaitable[Any]], session: Callable[[], str | None], on_raise: OnRaise) -> None:
        self._say = say
        self._session = session
        self._emitter = Emitter(frozenset({"change"}), on_raise)
        self._typists: dict[str, _Typist] = {}
        self._said_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def users(self) -> list[str]:
        """Who types now, without oneself: by user, or by session where there is none."""
        return list(dict.fromkeys(typist.name for typist in self._typists.values()))

    def on(self, event: str, listener: Listener) -> Callable[[], None]:
        """``change``: the list of those who type now."""
        return self._emitter.on(event, listener)

    def start(self) -> None:
        """Call it at each key stroke: it is sent at most every two seconds."""
        now = asyncio.get_running_loop().time()
        if self._said_at is None or now - self._said_at >= AGAIN_SECONDS:
            self._said_at = now
            self._send(True)

    def stop(self) -> None:
        """Call it when the text was sent or deleted: others see it at once, instead of after five seconds."""
        if self._said_at is not None:
            self._said_at = None
            self._send(False)

    def _heard(self, message: Message, types: bool) -> None:
        sender = message.from_
        if sender is None or sender.session is None or sender.session == self._session():
            return
        if not types:
            self._left(sender)
            return
        before = self._typists.get(sender.session)
        if before is None and len(self._typists) >= TYPISTS:
            return
        if before is not None:
            before.timer.cancel()
        timer = asyncio.get_running_loop().call_later(LASTS_SECONDS, self._left, sender)
        self._typists[sender.session] = _Typist(sender.user or sender.session, timer)
        if before is None:
            self._emitter.emit("change", self.users)

    def _left(self, sender: Sender) -> None:
        """Who sent a message, or is gone, types no more."""
        typist = self._typists.pop(sender.session, None) if sender.session else None
        if typist is not None:
            typist.timer.cancel()
            self._emitter.emit("change", self.users)

    def _clear(self) -> None:
        typists, self._typists = self._typists, {}
        self._said_at = None
        for typist in typists.values():
            typist.timer.cancel()
        if typists:
            self._emitter.emit("change", [])

    def _send(self, types: bool) -> None:
        """Worth nothing later, so it waits in no queue, and nobody is told if it fails."""
        task = asyncio.ensure_future(self._try(types))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, types: bool) -> None:
        with suppress(SluicegateError):
            await self._say({FIELD: types})
