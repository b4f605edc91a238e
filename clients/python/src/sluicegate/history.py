"""Pages of a channel's history, and all of them. It knows no connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from .values import Envelope, HistoryPage, Message, Position

Ask = Callable[[Envelope], Awaitable[HistoryPage]]


class History:
    """``await channel.history(limit=10)`` is one page, ``async for message in channel.history.all()`` all of them."""

    def __init__(self, channel: str, ask: Ask) -> None:
        self._channel = channel
        self._ask = ask

    async def __call__(self, *, limit: int | None = None, since: Position | None = None, reverse: bool = False) -> HistoryPage:
        """At most ``limit`` messages (100 unless given, 1,000 at most): what comes after ``since``, or the oldest that are kept, oldest
        first; with ``reverse`` what comes before ``since``, or the newest, newest first. Each is ``recovered``."""
        payload: dict[str, Any] = {"channel": self._channel}
        if limit is not None:
            payload["limit"] = limit
        if since is not None:
            payload["since"] = since.payload()
        if reverse:
            payload["reverse"] = True
        return await self._ask(payload)

    async def all(self, *, since: Position | None = None, limit: int | None = None, reverse: bool = False) -> AsyncIterator[Message]:
        """Message by message, in pages of ``limit``, until there are no more."""
        while True:
            page = await self(limit=limit, since=since, reverse=reverse)
            for message in page:
                yield message
            since = page[-1].position if page else None
            if since is None:
                return
