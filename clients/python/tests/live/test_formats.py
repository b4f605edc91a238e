"""JSON and MessagePack, in channels of JSON and of bytes, by every transport, with each other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sluicegate import AsyncAdminClient, SluicegateError
from support.broker import ADMIN_KEY, Broker
from support.heard import Connect, Heard

pytestmark = pytest.mark.anyio
BYTES = bytes(range(256))
VALUES: list[Any] = [None, 1, 2**63, -(2**63), 1.5, "räume \u2028", [1, [None]], {"a": {"b": True}}, 10**400]


@pytest.fixture(params=["websocket", "sse", "poll"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_values_are_equal_in_both_formats(make: Connect, transport: str) -> None:
    async with make(format="json") as ann, make(format="msgpack") as bob:
        async with ann.channel(f"room:formats-{transport}") as hers, bob.channel(f"room:formats-{transport}") as his:
            heard = [Heard(hers, "message"), Heard(his, "message")]
            for publisher in (hers, his):
                for value in VALUES:
                    await publisher.publish(value)
                    for listener in heard:
                        data = (await listener.next()).data
                        assert data == value
                        assert type(data) is type(value)
            assert [message.data for message in await his.history()] == VALUES * 2


async def test_a_channel_of_bytes_gives_bytes(make: Connect, transport: str) -> None:
    async with make(format="json") as ann, make(format="msgpack") as bob:
        async with ann.channel(f"bytes:{transport}") as hers, bob.channel(f"bytes:{transport}") as his:
            heard = [Heard(hers, "message"), Heard(his, "message")]
            for publisher in (hers, his):
                for value in (BYTES, b""):
                    await publisher.publish(value)
                    assert [(await listener.next()).data for listener in heard] == [value, value]
            for room in (hers, his):
                assert [message.data for message in await room.history()] == [BYTES, b""] * 2
                with pytest.raises(SluicegateError) as raised:
                    await room.publish({"no": "bytes"})
                assert raised.value.code == 4400
            await bob.disconnect()
            await hers.publish(b"missed")
            await bob.connect()
            message = await heard[1].next()
            assert (message.data, message.recovered) == (b"missed", True)


async def test_the_operator_publishes_bytes(make: Connect, broker: Broker) -> None:
    async with make(format="msgpack") as client, AsyncAdminClient(broker.admin, ADMIN_KEY) as admin:
        async with client.channel("bytes:operator") as room:
            heard = Heard(room, "message")
            await admin.publish("acme", "bytes:operator", BYTES)
            assert (await heard.next()).data == BYTES
            answer = await admin.broadcast("acme", ["bytes:operator"], b"all")
            assert answer["published"] == 1, answer
            assert (await heard.next()).data == b"all"


async def test_bytes_that_are_too_large_as_json_are_refused_where_json_is_spoken(make: Connect, transport: str) -> None:
    async with make(format="msgpack") as client:
        room = client.channel(f"bytes:large-{transport}")
        states = Heard(client, "state")
        outcomes = await asyncio.gather(room.publish(bytes(60_000)), room.publish(b"small"), return_exceptions=True)
        codes = [outcome.code if isinstance(outcome, SluicegateError) else None for outcome in outcomes]
        assert codes == [4413 if transport == "sse" else None, None]
        assert states.is_empty()
