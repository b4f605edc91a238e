"""The client between its user and the event loop: calls that are cancelled, listeners that fail, loops that end."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from sluicegate import Client, SluicegateError
from support.fake_broker import FakeBroker
from support.heard import Heard, within

pytestmark = pytest.mark.anyio
URL = "ws://host/ws"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    return FakeBroker().install(monkeypatch)


@pytest.fixture
async def client(broker: FakeBroker) -> AsyncIterator[Client]:
    async with Client(URL) as client:
        yield client


async def test_what_waits_for_the_first_connect_ends_with_a_disconnect() -> None:
    client = Client(URL)
    waiting = [asyncio.ensure_future(client.channel("room").publish(1)), asyncio.ensure_future(client.channel("room").subscribe())]
    await asyncio.wait(waiting, timeout=0)
    await client.disconnect()
    for one in waiting:
        with pytest.raises(SluicegateError) as raised:
            await within(one, 5)
        assert raised.value.reason == "closed"


async def test_a_listener_that_ends_as_cancelled_disturbs_nobody(client: Client, broker: FakeBroker) -> None:
    room = client.channel("room")
    errors = Heard(client, "error")

    def cancelled(message: Any) -> None:
        raise asyncio.CancelledError

    room.on("message", cancelled)
    heard = Heard(room, "message")
    await room.subscribe()
    broker.push(broker.message("a", 1), broker.message("b", 2))
    assert [(await heard.next()).data for _ in range(2)] == ["a", "b"]
    assert (await errors.next()).reason == "listener_failed"
    await within(room.publish("still there"))


async def test_nothing_comes_after_unsubscribe_also_of_what_came_at_once(client: Client, broker: FakeBroker) -> None:
    room = client.channel("room")
    got: list[Any] = []
    calls: list[Coroutine[Any, Any, None]] = []

    def one_is_enough(message: Any) -> None:
        got.append(message.data)
        # It begins at once, as where tasks are eager.
        calls.append(room.unsubscribe())
        calls[-1].send(None)

    room.on("message", one_is_enough)
    states = Heard(room, "state")
    await room.subscribe()
    broker.push(broker.message("a", 1), broker.message("b", 2), broker.message("c", 3))
    await states.until(lambda change: change.state == "unsubscribed")
    assert got == ["a"]
    calls[-1].close()
    await room.subscribe()
    broker.push(broker.message("d", 4))
    await states.until(lambda change: change.state == "unsubscribed")
    assert got == ["a", "d"]
    calls[-1].close()


async def test_a_wait_for_a_message_that_is_cancelled_ends_no_loop(client: Client, broker: FakeBroker) -> None:
    room = client.channel("room")
    messages = aiter(room)
    for _ in range(2):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(messages), 0.01)
    broker.push(broker.message("a", 1))
    assert (await within(anext(messages), 5)).data == "a"
    await messages.aclose()
    assert room.state == "unsubscribed"
    with pytest.raises(StopAsyncIteration):
        await within(anext(messages), 5)


async def test_a_task_that_is_cancelled_in_its_loop_has_left_it(client: Client) -> None:
    room = client.channel("room")
    states = Heard(room, "state")

    async def listen() -> None:
        async for _ in room:
            pass

    task = asyncio.ensure_future(listen())
    await states.until(lambda change: change.state == "subscribed")
    task.cancel()
    await asyncio.wait([task])
    assert room.state == "unsubscribed", "though the task, and with it the exception, is still there"


async def test_one_message_is_an_expression(client: Client, broker: FakeBroker) -> None:
    room = client.channel("room")
    states = Heard(room, "state")
    waiting = asyncio.ensure_future(anext(aiter(room)))
    await states.until(lambda change: change.state == "subscribed")
    gc.collect()
    broker.push(broker.message("a", 1))
    assert (await within(waiting, 5)).data == "a"
    assert room.state == "unsubscribed"


async def test_what_a_listener_has_heard_does_not_wait_for_a_loop(client: Client, broker: FakeBroker) -> None:
    room = client.channel("room")
    async with room:
        broker.push(broker.message("before", 1))
        await room.members()
        heard = Heard(room, "message")
        broker.push(broker.message("heard", 2), broker.message("heard too", 3))
        assert [(await heard.next()).data for _ in range(2)] == ["heard", "heard too"]
        messages = aiter(room)
        broker.push(broker.message("for both", 4))
        assert [(await within(anext(messages), 5)).data for _ in range(2)] == ["before", "for both"]


async def test_the_end_of_a_subscription_that_nobody_listens_for_is_logged(
    client: Client, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    end = {"type": "unsubscribed", "channel": "room", "payload": {"code": 4503, "reason": "permission_denied"}}
    for listens in (True, False):
        room = client.channel("room")
        errors = Heard(room, "error") if listens else None
        await room.subscribe()
        states = Heard(room, "state")
        with caplog.at_level(logging.WARNING, "sluicegate"):
            broker.push(end)
            await states.until(lambda change: change.state == "unsubscribed")
        assert ("permission_denied" in caplog.text) == (errors is None)
        # A channel that nobody has any more is another one.
        del room, states, errors
        client._kept.clear()
        gc.collect()


async def test_a_client_is_of_one_loop_at_a_time(client: Client) -> None:
    room = client.channel("room")

    async def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await room.publish("x")

    await asyncio.to_thread(asyncio.run, elsewhere())
    await within(room.publish("x"), 5)


def test_a_client_whose_loop_has_ended_begins_anew_in_another(broker: FakeBroker) -> None:
    client = Client(URL)
    room = client.channel("room")
    states: list[str] = []
    client.on("state", lambda change: states.append(change.state))

    async def first() -> None:
        await client.connect()
        await room.subscribe()

    async def second() -> None:
        with pytest.raises(SluicegateError) as raised:
            await within(room.publish("x"), 5)
        assert raised.value.reason == "closed"
        await within(client.connect(), 5)
        assert room.state == "subscribed"
        assert (await within(room.publish("x"), 5)).id
        await client.disconnect()

    asyncio.run(first())
    asyncio.run(second())
    assert states == ["connecting", "connected", "disconnected", "connecting", "connected", "disconnected"]
