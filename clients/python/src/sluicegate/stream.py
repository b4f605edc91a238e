"""Messages that wait for a loop, bounded. It does not know where they come from."""

from __future__ import annotations

import asyncio
from collections import deque

from .errors import SluicegateError
from .values import Message

# A recovery of a long history comes at once, so it has to find room.
WAITING_MESSAGES = 16_384


class Stream:
    def __init__(self, limit: int = WAITING_MESSAGES) -> None:
        self._limit = limit
        self._waiting: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._is_over = False
        self._error: SluicegateError | None = None

    @property
    def is_over(self) -> bool:
        return self._is_over

    def push(self, message: Message) -> None:
        if self._is_over:
            return
        if len(self._waiting) >= self._limit:
            self.end(SluicegateError(0, "slow_consumer", f"over {self._limit} messages wait for the loop"))
            return
        self._waiting.append(message)
        self._changed.set()

    def end(self, error: SluicegateError | None) -> None:
        """What waits is still handed out; then the loop ends, or raises."""
        if not self._is_over:
            self._is_over = True
            self._error = error
            self._changed.set()

    async def next(self) -> Message | None:
        """None at the end."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if self._is_over:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
