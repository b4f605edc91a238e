"""A channel as its user sees it: subscribe, publish, members, history, messages. It knows no connection: it asks its client."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from .driver import Driver
from .emitter import Emitter, Listener, OnRaise
from .errors import SluicegateError
from .history import History
from .message_loop import MessageLoop
from .stream import Stream
from .typing_indicator import Typing, typing_in
from .values import Envelope, HistoryPage, Member, Message, Published, RoomChange, RoomState, Sender

log = logging.getLogger("sluicegate")
EVENTS = frozenset({"message", "join", "leave", "presence", "state", "gap", "error"})


class Channel:
    """One channel of a client. Made by ``client.channel(name)``.

    ``async with channel:`` subscribes and unsubscribes; ``async for message in channel:`` subscribes, and unsubscribes when the loop is
    left, unless it is within ``async with``. What comes while there is neither a loop nor a listener for ``message`` waits for the next
    loop; over 16,384 messages the loop ends with ``slow_consumer``. A wait for the next message that is cancelled, as by
    ``asyncio.wait_for(anext(loop), 1)``, does not end the loop.
    """

    def __init__(self, driver: Driver, name: str, on_raise: OnRaise, keep: Callable[[Channel, bool], None]) -> None:
        self._driver = driver
        self._keep = keep
        self._name = name
        # What the next subscribe asks for.
        self._recover = True
        self._presence = False
        self._emitter = Emitter(EVENTS, on_raise)
        self._state: RoomState = "unsubscribed"
        # Messages that wait for a loop: there are some before it begins, and each loop beside the first has its own.
        self._stream: Stream | None = None
        self._loops: list[Stream] = []
        self._contexts = 0
        # From `unsubscribe` until it is told: what came before, and is still to be told, is not.
        self._is_leaving = False
        self._history = History(name, self._ask_history)
        self._typing = Typing(self._say, lambda: driver.machine.session, on_raise)

    @property
    def name(self) -> str:
        return self._name

    @property
    def state(self) -> RoomState:
        """``"unsubscribed"``; ``"subscribing"``, also while there is no connection; ``"subscribed"``."""
        return self._state

    def on(self, event: str, listener: Listener) -> Callable[[], None]:
        """``message`` (a Message), ``join`` and ``leave`` (a Member), ``presence`` (a list of Members, each time that it changes, with
        ``presence=True``), ``state`` (a RoomChange), ``gap`` (a Gap), ``error`` (a SluicegateError that ended the subscription; logged if
        neither a listener nor a loop gets it). Returns what takes the listener away again. A listener that is a coroutine function runs as
        a task for each event, beside those of earlier events."""
        self._keep(self, True)
        return self._emitter.on(event, listener)

    async def subscribe(self) -> None:
        """Returns once the broker has agreed. From then on, also across connections, until ``unsubscribe`` or until the broker ends it."""
        machine, options = self._driver.machine, (self._recover, self._presence)
        await self._driver.call(lambda now, handle: machine.subscribe(now, self.name, handle, *options))

    async def unsubscribe(self) -> None:
        """Nothing comes any more, from now on."""
        await self._unsubscribe()

    async def publish(
        self,
        data: Any,
        *,
        ephemeral: bool = False,
        echo: bool = True,
        key: str | None = None,
        timeout_ms: float | None = None,
    ) -> Published:
        """Publishes JSON, or bytes in a binary channel. Waits for a connection if there is none, and is sent again with the same ``key``
        (random unless given) if the connection is lost before the answer, unless it is ``ephemeral``. ``echo=False``: you do not get it
        yourself. ``data`` must not change until this returns. Fails after ``timeout_ms``: three times the client's unless given."""
        payload: Envelope = {"channel": self.name, "data": data}
        if not ephemeral:
            payload["key"] = key or secrets.token_urlsafe(16)
        elif key:
            payload["key"] = key
        if ephemeral:
            payload["ephemeral"] = True
        if not echo:
            payload["echo"] = False
        size = self._driver.size({"payload": payload})
        machine = self._driver.machine
        published: Published = await self._driver.call(
            lambda now, handle: machine.publish(now, handle, self.name, payload, size, timeout_ms)
        )
        return published

    async def members(self) -> list[Member]:
        """Who is present, one entry for each session."""
        members: list[Member] = await self._driver.call(lambda now, handle: self._driver.machine.members(now, handle, self.name))
        return members

    @property
    def history(self) -> History:
        """What the channel keeps: ``await channel.history(limit=10)``, ``async for message in channel.history.all()``."""
        return self._history

    def typing(self) -> Typing:
        """Who types in this channel, and to say that one does."""
        return self._typing

    async def __aenter__(self) -> Channel:
        self._contexts += 1
        try:
            await self.subscribe()
        except BaseException:
            self._contexts -= 1
            await self._leave()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._contexts -= 1
        await self._leave()

    def __aiter__(self) -> MessageLoop:
        stream = self._stream if self._stream is not None and self._stream not in self._loops else Stream()
        self._stream = self._stream or stream
        self._loops.append(stream)
        return MessageLoop(stream, self.subscribe, self._loop_left)

    def _loop_left(self, stream: Stream) -> Awaitable[None]:
        self._loops.remove(stream)
        if stream.is_over and self._stream is stream:
            self._stream = None
        return self._leave()

    def _leave(self) -> Awaitable[None]:
        """Whoever listens for nothing more unsubscribes: now. To await it is to know that the broker knows."""
        if self._contexts or self._loops:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        self._stream = None
        return self._unsubscribe()

    def _unsubscribe(self) -> asyncio.Future[Any]:
        self._is_leaving = self._state != "unsubscribed"
        return self._driver.begin(lambda now, handle: self._driver.machine.unsubscribe(now, self.name, handle))

    async def _ask_history(self, payload: Envelope) -> HistoryPage:
        page: HistoryPage = await self._driver.call(lambda now, handle: self._driver.machine.history(now, handle, payload))
        return page

    async def _say(self, data: Any) -> None:
        if self._state == "subscribed":
            await self.publish(data, ephemeral=True, echo=False)

    def _choose(self, recover: bool | None, presence: bool | None) -> None:
        self._recover = self._recover if recover is None else recover
        self._presence = self._presence if presence is None else presence

    def _deliver(self, event: str, value: Any) -> None:
        """What the client has for this channel."""
        if self._is_leaving and event != "state":
            return
        if event == "message":
            self._message(value)
            return
        if event == "leave":
            self._typing._left(Sender(value.user, value.session))
        elif event == "state":
            self._changed(value)
        elif event == "error" and not self._loops and not self._emitter.hears("error"):
            log.warning("%s: %s", self.name, value)
        self._emitter.emit(event, value)

    def _message(self, message: Message) -> None:
        types = typing_in(message)
        if types is not None:
            self._typing._heard(message, types)
            return
        if message.from_ is not None:
            self._typing._left(message.from_)
        if not self._loops and not self._emitter.hears("message"):
            self._stream = self._stream or Stream()
            self._stream.push(message)
        for stream in self._loops:
            stream.push(message)
        self._emitter.emit("message", message)

    def _changed(self, change: RoomChange) -> None:
        self._state = change.state
        self._is_leaving = self._is_leaving and change.state != "unsubscribed"
        self._keep(self, change.state != "unsubscribed" or self._emitter.hears_any())
        if change.state != "subscribed":
            self._typing._clear()
        if change.state == "unsubscribed":
            error = SluicegateError(change.code, change.reason or "") if change.code else None
            for stream in self._loops:
                stream.end(error)
