"""The client: its connection and its channels. What happens when is decided by the machine."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any
from weakref import WeakValueDictionary

from .channel import Channel
from .driver import Driver, User
from .emitter import Emitter, Listener
from .errors import SluicegateError
from .settings import Format, GetToken, Reconnect, TransportName, check
from .values import ClientState, StateChange

log = logging.getLogger("sluicegate")
# As the broker has it. A bad name in `connect` would be the end of the connection.
CHANNEL_NAME = re.compile(r"[^\s\x00-\x1f\x7f-\xa0\ud800-\udfff]+")
CHANNEL_BYTES = 255
USERS_FAULTS = frozenset({"listener_failed", "token_failed"})


class Client:
    """A connection to a broker that comes back by itself.

    ``token``, or ``get_token``: a function or coroutine function that is called with the reason (``"connect"``, ``"refresh"`` or
    ``"expired"``) and returns a token. ``transports`` are tried in their order, and the first that works is remembered. ``/sse`` and
    ``/poll`` are derived from a URL that ends in ``/ws``; else ``sse`` and ``poll`` are their URLs, and ``/send`` is beside ``sse``.
    ``format``: ``"json"``, or ``"msgpack"`` with the extra of that name. ``data``: any JSON, for plugins. ``timeout_ms``: how long an
    answer may take. ``queue_bytes``: how many bytes of publishes may wait for a connection.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        get_token: GetToken | None = None,
        transports: Sequence[TransportName] | None = None,
        sse: str | None = None,
        poll: str | None = None,
        format: Format = "json",
        name: str | None = None,
        version: str = "",
        data: Any = None,
        reconnect: Reconnect | None = None,
        timeout_ms: float = 10_000,
        queue_bytes: int = 1_048_576,
    ) -> None:
        settings = check(url, token, get_token, transports, sse, poll, format, name, version, data, reconnect, timeout_ms, queue_bytes)
        self._emitter = Emitter(frozenset({"state", "error"}), self._complain)
        self._driver = Driver(settings, User(self._deliver, self._report, self._complain))
        # All that somebody has; and those that have to stay although nobody has them: they are subscribed, or listened to. A program
        # that publishes to one channel after the other keeps none.
        self._channels: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        self._kept: dict[str, Channel] = {}

    @property
    def state(self) -> ClientState:
        """``"disconnected"``, also between two tries; ``"connecting"``; ``"connected"``."""
        return self._driver.machine.state

    @property
    def session(self) -> str | None:
        """The broker's name for the present connection."""
        return self._driver.machine.session

    @property
    def user(self) -> str | None:
        """Who the broker takes this client for; None without a connection, or without a user."""
        return self._driver.machine.user

    @property
    def transport(self) -> str | None:
        """``"websocket"``, ``"sse"`` or ``"poll"``; None without a connection."""
        return self._driver.machine.transport

    def on(self, event: str, listener: Listener) -> Callable[[], None]:
        """``state`` (a StateChange) or ``error`` (a SluicegateError that belongs to no call). Returns what takes the listener away
        again. Errors that nobody listens for are logged. A listener that is a coroutine function runs as a task for each event, beside
        those of earlier events."""
        return self._emitter.on(event, listener)

    async def connect(self) -> None:
        """Returns once connected. Fails with what stands in the way if that lasts longer than ``timeout_ms`` for each transport, or looks
        lasting; the client goes on trying until ``disconnect``, or until the broker says not to come back."""
        await self._driver.call(self._driver.machine.connect)

    def disconnect(self) -> Awaitable[Any]:
        """Ends the connection at once, and what is awaited with ``closed``. Await it to know that the sockets are closed too. ``connect``
        begins again, with the channels that were subscribed."""
        return self._driver.disconnect()

    def reconnect_now(self) -> None:
        """Tries at once rather than after the present wait, or asks a broker that may be gone for a sign of life: call it when the network
        is known to be back, or the machine has slept."""
        self._driver.machine.try_now(self._driver.now())
        self._driver.step()

    def channel(self, name: str, *, recover: bool | None = None, presence: bool | None = None) -> Channel:
        """The channel of this name, the same object each time. ``recover`` (True unless given): ask for what was missed while there was
        no connection. ``presence`` (False unless given): be told who is there. An option that is given holds from the next subscribe."""
        if not CHANNEL_NAME.fullmatch(name) or len(name.encode(errors="replace")) > CHANNEL_BYTES:
            text = f"a channel's name has 1 to {CHANNEL_BYTES} bytes without spaces and control characters, not {name!r}"
            raise SluicegateError(4400, "bad_request", text)
        room = self._channels.get(name)
        if room is None:
            room = self._channels[name] = Channel(self._driver, name, self._complain, self._keep)
        room._choose(recover, presence)
        return room

    async def __aenter__(self) -> Client:
        try:
            await self.connect()
        except BaseException:
            await self.disconnect()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.disconnect()

    def _keep(self, channel: Channel, keeps: bool) -> None:
        if keeps:
            self._kept[channel.name] = channel
        else:
            self._kept.pop(channel.name, None)

    # What the driver tells.

    def _deliver(self, channel: str, event: str, value: Any) -> None:
        if room := self._channels.get(channel):
            room._deliver(event, value)

    def _report(self, change: StateChange) -> None:
        log.debug("%s (code %s, %s)", change.state, change.code, change.reason)
        self._emitter.emit("state", change)

    def _complain(self, error: SluicegateError) -> None:
        """Tells listeners of an error. One that fails at this is only logged, or it would be told of itself."""
        if not self._emitter.hears("error") or error.reason == "listener_failed":
            # Where the user's own code failed, it is to be found; a network that fails has nothing to show.
            log.warning("%s", error, exc_info=error.__cause__ if error.reason in USERS_FAULTS else None)
        if error.reason != "listener_failed" or not self._is_complaining:
            self._is_complaining = True
            try:
                self._emitter.emit("error", error)
            finally:
                self._is_complaining = False

    _is_complaining = False
