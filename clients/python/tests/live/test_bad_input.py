"""What a user can do wrong: each a clear error to that user, and nobody else is disturbed."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from websockets.asyncio.client import connect

from sluicegate import Client, SluicegateError
from support.broker import Broker, token
from support.heard import Connect, Heard, within

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("url", ["", "host/ws", "http://host/ws", "ws://", "ws:///ws", "ws://host:x/ws", "wss://[::1/ws", None, 5])
def test_what_is_no_url_is_refused_at_once(url: Any) -> None:
    with pytest.raises(SluicegateError) as raised:
        Client(url)
    assert raised.value.reason == "bad_url"


@pytest.mark.parametrize(
    "options",
    [
        {"transports": []},
        {"transports": ["carrier-pigeon"]},
        {"format": "xml"},
        {"token": 5},
        {"token": "t", "get_token": lambda reason: "t"},
        {"get_token": "t"},
        {"reconnect": {"base_ms": 0}},
        {"reconnect": {"base_ms": 30_000}},
        {"reconnect": {"baseMs": 100}},
        {"reconnect": {"base_ms": "1"}},
        {"timeout_ms": "10"},
        {"timeout_ms": float("nan")},
        {"timeout_ms": 0},
        {"queue_bytes": -1},
        {"data": {1, 2}},
        {"token": "\ud800"},
    ],
)
def test_options_that_mean_nothing_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(SluicegateError) as raised:
        Client("ws://host/ws", **options)
    assert raised.value.reason == "bad_option"


@pytest.mark.parametrize("name", ["", "with space", "a\n", "\u2003", "\x00", "x" * 256, "\u00e4" * 128, "\ud800"])
def test_what_is_no_channel_is_refused_at_once(name: str) -> None:
    with pytest.raises(SluicegateError) as raised:
        Client("ws://host/ws").channel(name)
    assert raised.value.code == 4400


def test_a_transport_without_its_url_is_refused() -> None:
    with pytest.raises(SluicegateError) as raised:
        Client("ws://host/socket", transports=["sse"])
    assert "does not end in /ws" in raised.value.message
    Client("ws://host/socket", transports=["sse"], sse="http://host/events")
    Client("ws://host/socket")  # Without the others, unless they are named.


async def test_nobody_at_that_address(make: Connect, unused_port: int) -> None:
    client = make(f"ws://127.0.0.1:{unused_port}/ws", timeout_ms=100)
    errors = Heard(client, "error")
    with pytest.raises(SluicegateError) as raised:
        await within(client.connect())
    assert raised.value.reason == "unreachable"
    assert raised.value.retry
    assert (await errors.next()).reason == "unreachable"
    assert client.state != "connected"


@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
async def test_a_tenant_that_is_not_there(make: Connect, broker: Broker, transport: str) -> None:
    client = make(broker.url.replace("/ws", "/t/nobody/ws"), transports=[transport])
    with pytest.raises(SluicegateError) as raised:
        await within(client.connect())
    assert raised.value.reason == "http_404"
    assert not raised.value.retry


async def test_a_failed_context_leaves_nothing_behind(make: Connect, broker: Broker) -> None:
    client = make(broker.url.replace("/ws", "/t/nobody/ws"), transports=["websocket"])
    with pytest.raises(SluicegateError):
        async with client:
            pass
    assert client.state == "disconnected"
    assert client._driver.machine.next_wake() is None


@pytest.mark.parametrize("bad", ["nonsense", "two\nlines", "tok\u00e9n", " "])
@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
async def test_a_token_that_is_not_good(make: Connect, transport: str, bad: str, caplog: pytest.LogCaptureFixture) -> None:
    client = make(token=bad, timeout_ms=1000)
    states = Heard(client, "state")
    with pytest.raises(SluicegateError) as raised:
        await within(client.connect())
    assert raised.value.code == 4401
    assert bad.strip() == "" or repr(bad)[1:-1] not in caplog.text + str(raised.value)
    assert (await states.until(lambda change: change.code is not None)).code == 4502


async def raises(reason: str) -> str:
    raise RuntimeError("the server of tokens is away")


async def hangs(reason: str) -> str:
    await asyncio.Event().wait()
    return ""


CALLBACKS: list[Any] = [raises, hangs, lambda reason: None, lambda reason: "", lambda reason: 5, lambda: "no parameter"]


@pytest.mark.parametrize("callback", CALLBACKS, ids=["raises", "hangs", "none", "empty", "number", "signature"])
async def test_a_token_callback_that_does_not_work(make: Connect, callback: Any) -> None:
    client, other = make(get_token=callback, timeout_ms=100), make()
    errors = Heard(client, "error")
    await other.connect()
    with pytest.raises(SluicegateError) as raised:
        await within(client.connect())
    assert raised.value.reason == "token_failed"
    assert raised.value.__cause__ is not None or callback is hangs
    assert (await errors.next()).reason == raised.value.reason
    assert other.state == "connected"


async def test_a_token_callback_that_works_the_second_time(make: Connect) -> None:
    asked: list[str] = []

    async def get_token(*, reason: str) -> str:
        asked.append(reason)
        if len(asked) == 1:
            raise RuntimeError("not yet")
        return token("ann")

    client = make(get_token=get_token)
    states = Heard(client, "state")
    with pytest.raises(SluicegateError):
        await within(client.connect())
    await states.until(lambda change: change.state == "connected")
    assert asked == ["connect", "connect"]


async def test_a_listener_that_raises_disturbs_nobody(make: Connect, caplog: pytest.LogCaptureFixture) -> None:
    async with make() as client, client.channel("room:raise") as room:

        def broken(message: Any) -> None:
            raise RuntimeError("a fault of the user's")

        async def broken_later(message: Any) -> None:
            raise RuntimeError("a later fault of the user's")

        room.on("message", broken)
        room.on("message", broken_later)
        heard, errors = Heard(room, "message"), Heard(client, "error")
        for number in range(3):
            await room.publish(number)
        assert [(await heard.next()).data for _ in range(3)] == [0, 1, 2]
        error = await errors.next()
        assert error.reason == "listener_failed"
        assert isinstance(error.__cause__, RuntimeError)
        assert client.state == "connected"


async def test_a_listener_of_errors_that_raises_is_only_logged(make: Connect, caplog: pytest.LogCaptureFixture) -> None:
    client = make(get_token=lambda reason: None)

    def broken(error: Any) -> None:
        raise RuntimeError("a fault in the handling of faults")

    client.on("error", broken)
    with caplog.at_level(logging.WARNING, "sluicegate"), pytest.raises(SluicegateError):
        await within(client.connect())
    assert "a fault in the handling of faults" in caplog.text


@pytest.mark.parametrize("format", ["json", "msgpack"])
@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
async def test_what_a_hostile_publisher_says_disturbs_no_subscriber(make: Connect, broker: Broker, transport: str, format: str) -> None:
    hostile = ["9" * 5_000, "1e99999999999999999999", "[" * 20_000 + "]" * 20_000, r'"\ud800"']
    name = f"room:hostile-{transport}-{format}"
    async with make(format=format) as client, client.channel(name) as room:
        heard, states = Heard(room, "message", "gap"), Heard(client, "state")
        async with connect(broker.url) as eve:
            await eve.send(json.dumps({"type": "connect", "id": 0, "payload": {"version": 1, "token": token("eve")}}))
            for number, data in enumerate(hostile):
                await eve.send(f'{{"type":"publish","id":{number},"payload":{{"channel":"{name}","data":{data}}}}}')
            offsets = [(await heard.next()).offset for _ in hostile]
        assert offsets == [1, 2, 3, 4]
        assert [message.offset for message in await room.history()] == offsets
        assert states.is_empty()


async def test_there_is_no_such_event(make: Connect) -> None:
    with pytest.raises(ValueError, match="there is no event 'massage'"):
        make().channel("room:1").on("massage", print)


async def test_a_listener_is_taken_away_again(make: Connect) -> None:
    async with make() as client, client.channel("room:off") as room:
        got: list[Any] = []
        off = room.on("message", got.append)
        off()
        off()
        heard = Heard(room, "message")
        await room.publish("x")
        await heard.next()
        assert got == []
