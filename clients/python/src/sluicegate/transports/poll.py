"""Long-poll: posts that wait for something to come. A post that is lost is sent again, so a lost answer loses nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Any

import httpx

from ..codec import Codec, JsonCodec
from ..values import Envelope
from .interface import ConnectionEnded, failed_to_connect, refused_with
from .upstream import LOST, http_client, pieces, post

WAIT_MS = 25_000
# Beyond `wait_ms`, in seconds, until an answer counts as lost.
GRACE_SECONDS = 10.0
# How a broker answers a body whose format it does not know.
UNKNOWN_FORMAT = frozenset({400, 415})


class Poll:
    def __init__(self, url: str, codec: Codec) -> None:
        self._url = url
        self._codec = codec
        self._client = http_client()
        self._session: str | None = None
        self._seq = 0
        self._batch = 0
        self._posts: deque[list[Envelope]] = deque()
        self._has_posts = asyncio.Event()
        self._wait_ms = WAIT_MS
        # What the broker said at the end; nothing comes after it.
        self._ended: ConnectionEnded | None = None
        self._first: list[Envelope] | None = None

    async def open(self, connect: Envelope) -> None:
        self._batch = 1
        body = {"open": secrets.token_urlsafe(16), "batch": 1, "wait_ms": WAIT_MS, "requests": [connect]}
        response = await self._begin(body)
        if response.status_code in UNKNOWN_FORMAT and not isinstance(self._codec, JsonCodec):
            # The broker does not know the format that was wished for.
            self._codec = JsonCodec()
            response = await self._begin(body)
        if response.status_code != 200:
            raise refused_with(response.status_code, response.headers, self._url, response.text)
        try:
            answer = self._codec.decode(response.content)
        except ValueError:
            # Not a broker's answer, as from a proxy that has a page for everything.
            raise refused_with(502, {}, self._url, "the answer is no envelope") from None
        self._first = self._read(answer)

    async def _begin(self, body: Envelope, is_again: bool = False) -> httpx.Response:
        headers = {"content-type": self._codec.content_type, "accept": self._codec.content_type}
        try:
            return await self._client.post(self._url, content=self._codec.encode(body), headers=headers)
        except httpx.TransportError as cause:
            if is_again or isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout)):
                raise failed_to_connect(self._url, cause) from cause
        # It may have arrived, and then there would be a session for a minute that nobody polls. The broker knows `open` again.
        return await self._begin(body, is_again=True)

    async def receive(self) -> list[Envelope]:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._ended is not None:
            raise self._ended
        if self._session is None:
            # The refusal of `connect` was all there is.
            raise ConnectionEnded(LOST, "connection_lost")
        if self._posts:
            self._batch += 1
            return self._read(await self._post({"batch": self._batch, "requests": self._posts.popleft()}))
        self._has_posts.clear()
        waiting = asyncio.ensure_future(self._post({"requests": []}))
        interrupted = asyncio.ensure_future(self._has_posts.wait())
        try:
            await asyncio.wait({waiting, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            # A poll that gives way to a post loses nothing: what it may have brought is not acknowledged, and comes again.
            return self._read(waiting.result()) if waiting.done() else []
        finally:
            waiting.cancel()
            interrupted.cancel()
            await asyncio.gather(waiting, interrupted, return_exceptions=True)

    async def send(self, requests: list[Envelope]) -> None:
        self._posts.extend(pieces(requests, self._codec))
        self._has_posts.set()

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, fields: dict[str, Any]) -> Any:
        body = {"session": self._session, "ack": self._seq, "wait_ms": self._wait_ms, **fields}
        return await post(self._client, self._url, self._codec, body, {}, self._wait_ms / 1000 + GRACE_SECONDS)

    def _read(self, answer: Any) -> list[Envelope]:
        if not isinstance(answer, dict) or not isinstance(answer.get("envelopes"), list):
            raise ConnectionEnded(LOST, "bad_answer")
        session, seq = answer.get("session"), answer.get("seq")
        if isinstance(session, str):
            self._session = session
        if isinstance(seq, int):
            if answer["envelopes"] and seq <= self._seq:
                return []
            self._seq = max(self._seq, seq)
        envelopes = [envelope for envelope in answer["envelopes"] if isinstance(envelope, dict)]
        for envelope in envelopes:
            payload = envelope.get("payload")
            fields = payload if isinstance(payload, dict) else {}
            if envelope.get("type") == "disconnect":
                self._ended = ConnectionEnded(LOST, "disconnected")
            elif isinstance(fields.get("ping_ms"), int):
                # An empty answer is the heartbeat here, so none takes longer than one.
                self._wait_ms = min(WAIT_MS, fields["ping_ms"])
        return envelopes
