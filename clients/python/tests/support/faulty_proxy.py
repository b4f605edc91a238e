"""A TCP proxy that does to connections what networks do: cuts, delays, halves and swallows. It knows no byte's meaning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

Way = Literal["up", "down"]
CHUNK = 65_536


class Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._ends = (client, server)

    def cut(self) -> None:
        for end in self._ends:
            end.transport.abort()


class FaultyProxy:
    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        # Connections that were made so far.
        self.accepted = 0
        # What is done to new connections, and to what passes.
        self.refuses = False
        self.swallows = False
        self.delay_seconds: Callable[[], float] = lambda: 0.0
        # So many bytes more pass in a way, then the connection is cut: amid a message, if one is longer.
        self._cut_after: dict[Way, int] = {}

    async def start(self) -> FaultyProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def links(self) -> int:
        return len(self._links)

    def cut(self) -> None:
        """All connections, at once and without a word."""
        for link in list(self._links):
            link.cut()

    def cut_after(self, way: Way, length: int) -> None:
        self._cut_after[way] = length

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refuses:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, up_writer)
        self._links.add(link)
        ways: list[tuple[Way, asyncio.StreamReader, asyncio.StreamWriter]] = [("up", reader, up_writer), ("down", up_reader, writer)]
        tasks = [asyncio.ensure_future(self._pass(link, *way)) for way in ways]
        self._tasks.update(tasks)
        await asyncio.wait(tasks)
        self._tasks.difference_update(tasks)
        self._links.discard(link)

    async def _pass(self, link: Link, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if self.swallows:
                    continue
                if delay := self.delay_seconds():
                    await asyncio.sleep(delay)
                if way in self._cut_after:
                    chunk, is_cut = self._halve(way, chunk)
                    if is_cut:
                        writer.write(chunk)
                        link.cut()
                        return
                writer.write(chunk)
                await writer.drain()
        if not self.swallows:
            link.cut()

    def _halve(self, way: Way, chunk: bytes) -> tuple[bytes, bool]:
        left = self._cut_after[way]
        if left >= len(chunk):
            self._cut_after[way] = left - len(chunk)
            return chunk, False
        del self._cut_after[way]
        return chunk[:left], True
