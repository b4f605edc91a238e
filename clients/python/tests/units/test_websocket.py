"""WebSocket against servers that a test writes: older ones, refusing ones, and ones that speak nonsense."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from sluicegate.codec import codec
from sluicegate.transports.interface import ConnectionEnded, OpenFailed
from sluicegate.transports.websocket import WebSocket

pytestmark = pytest.mark.anyio
CONNECT = {"type": "connect", "id": 1, "payload": {"version": 1}}


@asynccontextmanager
async def server(says: list[str | bytes], refusal: Response | None = None) -> AsyncIterator[tuple[str, list[Any]]]:
    """Its URL, and what it was told."""
    heard: list[Any] = []

    async def talk(connection: ServerConnection) -> None:
        for text in says:
            heard.append(await connection.recv())
            await connection.send(text)
        await connection.close(4001, "slow_consumer")

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        return refusal

    only_json = [Subprotocol("sluicegate.v1.json")]
    async with serve(talk, "127.0.0.1", 0, subprotocols=only_json, process_request=refuse) as running:
        (socket,) = running.sockets
        yield f"ws://127.0.0.1:{socket.getsockname()[1]}/ws", heard


async def test_a_broker_without_messagepack_is_spoken_to_in_json() -> None:
    async with server(['{"type":"ack"}']) as (url, heard):
        client = WebSocket(url, codec("msgpack"))
        await client.open(CONNECT)
        assert await client.receive() == [{"type": "ack"}]
        assert json.loads(heard[0]) == CONNECT
        with pytest.raises(ConnectionEnded) as raised:
            await client.receive()
        assert (raised.value.code, raised.value.reason) == (4001, "slow_consumer")
        await client.close()


@pytest.mark.parametrize("text", ["{", "[NaN]", b"\xff\xfe"])
async def test_nonsense_costs_the_connection(text: str | bytes) -> None:
    async with server([text]) as (url, _):
        client = WebSocket(url, codec("json"))
        await client.open(CONNECT)
        with pytest.raises(ConnectionEnded) as raised:
            await client.receive()
        assert (raised.value.code, raised.value.reason) == (1006, "bad_answer")
        await client.close()


@pytest.mark.parametrize(
    ("status", "headers", "is_final", "retry_after_ms"),
    [(403, {}, True, None), (404, {}, True, None), (429, {"Retry-After": "2"}, False, 2000), (503, {"Retry-After": "x"}, False, None)],
)
async def test_an_http_status_says_whether_it_lasts(
    status: int, headers: dict[str, str], is_final: bool, retry_after_ms: int | None
) -> None:
    async with server([], Response(status, "no", Headers(headers), b"a sentence")) as (url, _):
        with pytest.raises(OpenFailed) as raised:
            await WebSocket(url, codec("json")).open(CONNECT)
    failed = raised.value
    assert (failed.error.reason, failed.is_final, failed.error.retry_after_ms) == (f"http_{status}", is_final, retry_after_ms)
    assert "a sentence" in failed.error.message
    assert not failed.is_unreachable
