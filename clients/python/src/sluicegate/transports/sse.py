"""Server-sent events down, posts up. The stream is JSON whatever the client's format: events are text.

The stream is opened without channels: they are subscribed by posts, which can say ``since``, so a stream that ended is not resumed by its
last event id but begun anew."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import httpx

from ..codec import JsonCodec
from ..values import Envelope
from .event_stream import EventStream, StreamEvent
from .interface import ConnectionEnded, Refused, failed_to_connect, refused_with
from .upstream import LOST, TOO_LARGE, http_client, pieces, post

# Beyond the 10 s within which the broker answers a post.
POST_SECONDS = 15.0
# What an answer that is no stream may say, in bytes.
REASON_BYTES = 4_096


class Sse:
    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self._send_url = urlunsplit(parts._replace(path=parts.path.rpartition("/")[0] + "/send"))
        self._codec = JsonCodec()
        self._client = http_client()
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._stream = EventStream()
        self._session = ""
        self._batch = 0
        self._reading: asyncio.Task[bytes] | None = None
        # Answers of posts, and how the upstream ended.
        self._replies: asyncio.Queue[list[Envelope] | ConnectionEnded] = asyncio.Queue()
        self._replying: asyncio.Task[list[Envelope] | ConnectionEnded] | None = None

    async def open(self, connect: Envelope) -> None:
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if (token := connect["payload"].get("token")) is not None:
            headers["authorization"] = f"Bearer {_in_a_header(token)}"
        try:
            request = self._client.build_request("GET", self._url, headers=headers)
            self._response = response = await self._client.send(request, stream=True)
            if response.status_code != 200 or not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise await self._refused(response)
        except httpx.TransportError as cause:
            raise failed_to_connect(self._url, cause) from cause
        self._pieces = response.aiter_bytes()

    async def receive(self) -> list[Envelope]:
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._next_piece())
        if self._replying is None:
            self._replying = asyncio.ensure_future(self._replies.get())
        await asyncio.wait({self._reading, self._replying}, return_when=asyncio.FIRST_COMPLETED)
        if self._replying.done():
            replies, self._replying = self._replying.result(), None
            if isinstance(replies, ConnectionEnded):
                raise replies
            return replies
        reading, self._reading = self._reading, None
        try:
            events = self._stream.feed(self._text.decode(reading.result()))
            return [envelope for event in events if (envelope := self._envelope(event)) is not None]
        except ValueError as cause:
            raise ConnectionEnded(LOST, "bad_answer") from cause

    async def send(self, requests: list[Envelope]) -> None:
        try:
            for part in pieces(requests, self._codec):
                await self._post(part)
        except ConnectionEnded as ended:
            self._replies.put_nowait(ended)

    async def close(self) -> None:
        tasks = [task for task in (self._reading, self._replying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._response is not None:
            await self._response.aclose()
        await self._client.aclose()

    async def _post(self, requests: list[Envelope]) -> None:
        self._batch += 1
        headers = {"sluicegate-session": self._session, "sluicegate-batch": str(self._batch)}
        try:
            replies = await post(self._client, self._send_url, self._codec, requests, headers, POST_SECONDS)
        except ConnectionEnded as ended:
            if ended.reason != TOO_LARGE:
                raise
            # The machine counts in the client's format, and bytes are longer in JSON. The post was not read, so its number is free.
            self._batch -= 1
            if len(requests) > 1:
                for request in requests:
                    await self._post([request])
                return
            payload = {"code": 4413, "reason": "too_large", "message": "as JSON the message is over limits.message_bytes"}
            replies = [{"type": "error", "id": requests[0]["id"], "payload": payload}]
        if not isinstance(replies, list):
            raise ConnectionEnded(LOST, "bad_answer")
        told = [reply for reply in replies if isinstance(reply, dict)]
        late: list[Envelope] = []
        if told and not _had_no_room(told[0]):
            ids = {reply.get("id") for reply in told if _had_no_room(reply)}
            late = [request for request in requests if request["id"] in ids]
            told = [reply for reply in told if not _had_no_room(reply)]
        self._replies.put_nowait(told)
        if late:
            await self._post(late)

    async def _next_piece(self) -> bytes:
        if self._pieces is None:
            raise ConnectionEnded(LOST, "not_open")
        try:
            return await anext(self._pieces)
        except (StopAsyncIteration, httpx.TransportError, httpx.StreamError) as cause:
            raise ConnectionEnded(LOST, "connection_lost") from cause

    def _envelope(self, event: StreamEvent) -> Envelope | None:
        envelope = self._codec.decode(event.data)
        if not isinstance(envelope, dict):
            return None
        if event.event == "refused":
            payload: Envelope = dict(envelope.get("payload") or {})
            if self._stream.retry_ms is not None:
                payload.setdefault("retry_after_ms", self._stream.retry_ms)
            raise Refused(payload)
        ack = envelope.get("payload")
        if event.event == "ack" and isinstance(ack, dict) and not self._session:
            self._session = f"{ack.get('session')}.{ack.get('session_key')}"
        return envelope

    async def _refused(self, response: httpx.Response) -> Exception:
        text = ""
        async for piece in response.aiter_bytes():
            text += piece.decode(errors="replace")
            if len(text) > REASON_BYTES:
                break
        envelope: object = None
        with suppress(ValueError):
            envelope = self._codec.decode(text)
        if isinstance(envelope, dict) and envelope.get("type") == "error" and isinstance(envelope.get("payload"), dict):
            return Refused(envelope["payload"])
        if response.status_code == 401:
            return Refused({"code": 4401, "reason": "not_authenticated", "message": text[:200], "retry": False})
        return refused_with(response.status_code, response.headers, self._url, text)


def _in_a_header(token: str) -> str:
    """The HTTP client's own error about a header would show the token."""
    token = token.strip()
    if not (token and token.isascii() and token.isprintable()):
        raise Refused(
            {"code": 4401, "reason": "not_authenticated", "message": "the token has characters that no token has", "retry": False}
        )
    return token


def _had_no_room(reply: Envelope) -> bool:
    """The replies of a post have room for 1 MiB; what is behind is refused with this code, and not carried out. The code may have other
    reasons too: they are the ones where the first request of a post has it."""
    payload = reply.get("payload")
    return reply.get("type") == "error" and isinstance(payload, dict) and payload.get("code") == 4430 and "plugin" not in payload
