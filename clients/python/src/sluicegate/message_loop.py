"""One ``async for`` over a channel's messages. However it is left, its channel hears of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from .stream import Stream
from .values import Message


class MessageLoop(AsyncIterator[Message]):
    """Not an async generator: what is behind ``finally`` in one of those runs some time after a ``break``, and a wait that is cancelled,
    as by ``asyncio.wait_for``, ends it."""

    def __init__(self, stream: Stream, begin: Callable[[], Awaitable[None]], left: Callable[[Stream], Awaitable[None]]) -> None:
        self._stream = stream
        self._begin: Callable[[], Awaitable[None]] | None = begin
        self._left: Callable[[Stream], Awaitable[None]] | None = left

    def __aiter__(self) -> MessageLoop:
        return self

    async def __anext__(self) -> Message:
        try:
            if begin := self._begin:
                self._begin = None
                await begin()
            message = await self._stream.next() if self._left else None
        except asyncio.CancelledError:
            # The traceback must not keep the loop, which is left when nobody has it any more.
            del self
            raise
        except BaseException:
            await self.aclose()
            raise
        if message is None:
            await self.aclose()
            raise StopAsyncIteration
        return message

    async def aclose(self) -> None:
        """Leaves the loop, and returns once the broker knows."""
        if left := self._left:
            self._left = self._begin = None
            await left(self._stream)

    def __del__(self) -> None:
        if left := self._left:
            self._left = None
            # The call has its effect at once; what it returns is only to wait for. Without an event loop nobody is connected either.
            with suppress(RuntimeError):
                left(self._stream)
