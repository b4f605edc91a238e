"""Posts of requests for a session: one after the other, and again with the same number if the answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from ..codec import Codec
from .interface import RECEIVE_BYTES, ConnectionEnded, retry_after_ms

LOST = 1006
# One of the requests is over `message_bytes`; none was carried out.
TOO_LARGE = "http_413"
# How often a post without an answer is sent in all, and the seconds between, which double.
TRIES = 6
WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
# Requests of one post. One that is larger goes alone.
POST_REQUESTS = 64
POST_BYTES = 49_152
CONNECT_SECONDS = 5.0
POOL = httpx.Limits(max_connections=6, max_keepalive_connections=6)


def http_client() -> httpx.AsyncClient:
    """Without a read timeout: each request has its own."""
    return httpx.AsyncClient(timeout=httpx.Timeout(None, connect=CONNECT_SECONDS), limits=POOL, follow_redirects=False)


async def post(client: httpx.AsyncClient, url: str, codec: Codec, body: Any, headers: Mapping[str, str], seconds: float) -> Any:
    """The answer's body. Raises ConnectionEnded for what is not mended by sending it again."""
    content = codec.encode(body)
    sent = {"content-type": codec.content_type, "accept": codec.content_type, **headers}
    wait = WAIT_SECONDS
    for number in range(TRIES):
        if number:
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)
        try:
            # Not `asyncio.wait_for`, which may forget that it was cancelled (https://github.com/python/cpython/issues/86296).
            limits = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
            response = await client.post(url, content=content, headers=sent, timeout=limits)
        except httpx.TransportError:
            continue
        if response.status_code == 200:
            return _body(response, codec)
        if response.status_code in (408, 425, 429) or response.status_code >= 500:
            after = retry_after_ms(response.headers)
            wait = min(after / 1000 if after else wait, LONGEST_WAIT_SECONDS)
            continue
        raise ConnectionEnded(LOST, "session_gone" if response.status_code == 410 else f"http_{response.status_code}")
    raise ConnectionEnded(LOST, "no_answer")


def _body(response: httpx.Response, codec: Codec) -> Any:
    try:
        if len(response.content) > RECEIVE_BYTES:
            raise ValueError("too long")
        return codec.decode(response.content)
    except ValueError as cause:
        raise ConnectionEnded(LOST, "bad_answer") from cause


def pieces(requests: list[Any], codec: Codec) -> list[list[Any]]:
    """Requests in posts of a bounded size, in their order."""
    posts: list[list[Any]] = []
    room = 0
    for request in requests:
        size = len(codec.encode(request))
        if not posts or size > room or len(posts[-1]) >= POST_REQUESTS:
            posts.append([])
            room = POST_BYTES
        posts[-1].append(request)
        room -= size
    return posts
