"""What a listener heard, to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
# Makes a client, as the fixture `make`.
Connect = Callable[..., Any]
# Far more than anything takes, on a cold and busy machine too; a test that waits for so long has failed.
PATIENCE_SECONDS = 120.0


class Emits(Protocol):
    def on(self, event: str, listener: Callable[[Any], Any]) -> Callable[[], None]: ...


async def within(awaitable: Awaitable[T], seconds: float = PATIENCE_SECONDS) -> T:
    return await asyncio.wait_for(awaitable, seconds)


class Heard:
    def __init__(self, emits: Emits, *events: str) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        for event in events:
            emits.on(event, self._queue.put_nowait)

    async def next(self) -> Any:
        return await within(self._queue.get())

    async def until(self, matches: Callable[[Any], bool]) -> Any:
        while True:
            value = await self.next()
            if matches(value):
                return value

    def is_empty(self) -> bool:
        return self._queue.empty()
