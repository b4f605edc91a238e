"""What networks do to connections, and what the user sees of it: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import signal

import pytest

from sluicegate import SluicegateError
from support.broker import Broker, token
from support.faulty_proxy import FaultyProxy
from support.heard import Connect, Heard, within

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["websocket", "sse", "poll"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_what_was_missed_comes_in_its_place(make: Connect, proxy: FaultyProxy, transport: str) -> None:
    async with make(proxy.url, user="ann") as ann, make(user="bob") as bob:
        async with ann.channel(f"room:cut-{transport}") as room:
            heard, states = Heard(room, "message", "gap"), Heard(ann, "state")
            his = bob.channel(f"room:cut-{transport}")
            await his.publish(0)
            assert (await heard.next()).data == 0
            proxy.refuses = True
            proxy.cut()
            await states.until(lambda change: change.state == "disconnected")
            for number in range(1, 5):
                await his.publish(number)
            proxy.refuses = False
            messages = [await heard.next() for _ in range(4)]
            assert [(message.data, message.recovered) for message in messages] == [(number, True) for number in range(1, 5)]
            await his.publish(5)
            assert (await heard.next()).data == 5


async def test_much_that_was_missed_in_many_channels_comes_in_all_of_them(make: Connect, proxy: FaultyProxy, transport: str) -> None:
    """The replies of one post by SSE have room for 1 MiB."""
    async with make(proxy.url, user="ann") as ann, make(user="bob") as bob:
        rooms = [ann.channel(f"room:many-{number}-{transport}") for number in range(8)]
        heard, states = [Heard(room, "message", "gap", "error") for room in rooms], Heard(ann, "state")
        await asyncio.gather(*(room.subscribe() for room in rooms))
        for room, listener in zip(rooms, heard, strict=True):
            await room.publish(0)
            await listener.next()
        proxy.refuses = True
        proxy.cut()
        await states.until(lambda change: change.state == "disconnected")
        for room in rooms:
            for number in range(1, 6):
                await bob.channel(room.name).publish([number, "x" * 60_000])
        proxy.refuses = False
        for listener in heard:
            assert [(await listener.next()).data[0] for _ in range(5)] == [1, 2, 3, 4, 5]
        pages = await asyncio.gather(*(room.history() for room in rooms))
        assert [len(page) for page in pages] == [6] * 8


async def test_publishes_wait_for_a_connection_and_happen_once(make: Connect, proxy: FaultyProxy, transport: str) -> None:
    async with make(proxy.url) as ann, make(user="bob") as bob, bob.channel(f"room:away-{transport}") as listener:
        heard, states = Heard(listener, "message"), Heard(ann, "state")
        room = ann.channel(f"room:away-{transport}")
        proxy.refuses = True
        proxy.cut()
        await states.until(lambda change: change.state == "disconnected")
        published = [asyncio.ensure_future(room.publish(number)) for number in range(5)]
        await states.until(lambda change: change.state == "disconnected")
        proxy.refuses = False
        await within(asyncio.gather(*published))
        assert [(await heard.next()).data for _ in range(5)] == list(range(5))
        assert heard.is_empty()


async def test_a_publish_whose_answer_is_lost_is_not_delivered_twice(make: Connect, proxy: FaultyProxy, transport: str) -> None:
    async with make(proxy.url) as ann, make(user="bob") as bob, bob.channel(f"room:half-{transport}") as listener:
        heard = Heard(listener, "message")
        # The request passes; of the answer a few bytes do.
        proxy.cut_after("down", 10)
        published = await within(ann.channel(f"room:half-{transport}").publish("once"))
        assert published.duplicate == (transport == "websocket"), "a post that is said again is answered as the first was"
        assert (await heard.next()).id == published.id
        await ann.channel(f"room:half-{transport}").publish("next")
        assert (await heard.next()).data == "next"


async def test_half_of_a_request_is_none(make: Connect, proxy: FaultyProxy, transport: str) -> None:
    async with make(proxy.url) as ann:
        room = ann.channel(f"room:request-{transport}")
        proxy.cut_after("up", 100)
        published = await within(room.publish("x" * 1000))
        assert not published.duplicate
        assert [message.offset async for message in room.history.all()] == [1]


async def test_a_connection_that_swallows_everything_is_found_out(make: Connect, proxy: FaultyProxy, transport: str) -> None:
    async with make(proxy.url) as ann, ann.channel(f"room:hole-{transport}") as room:
        states = Heard(ann, "state")
        proxy.swallows = True
        published = asyncio.ensure_future(room.publish("x"))
        change = await states.next()
        assert (change.state, change.reason) == ("disconnected", "no_heartbeat"), "2.5 heartbeats of a second each"
        proxy.swallows = False
        proxy.cut()
        assert (await within(published)).id
        assert room.state == "subscribed"


async def test_a_quiet_connection_stays(make: Connect) -> None:
    async with make() as ann:
        states = Heard(ann, "state")
        with pytest.raises(asyncio.TimeoutError):
            await within(states.next(), seconds=3.5)  # Heartbeats are a second, and silence of 2.5 would be the end.
        assert ann.state == "connected"


async def test_a_publish_into_the_void_fails_in_its_time(make: Connect, proxy: FaultyProxy, transport: str) -> None:
    async with make(proxy.url) as ann:
        proxy.swallows = True
        with pytest.raises(SluicegateError) as raised:
            await ann.channel(f"room:void-{transport}").publish("x", timeout_ms=50)
        assert raised.value.reason == "timeout"
        with pytest.raises(SluicegateError) as raised:
            await make(proxy.url, timeout_ms=50, transports=["websocket"]).connect()
        assert raised.value.reason == "timeout"


async def test_a_broker_that_restarts_is_found_again(make: Connect, own_broker: Broker, transport: str) -> None:
    async with make(own_broker.url) as ann, ann.channel(f"room:restart-{transport}") as room:
        heard, states = Heard(room, "message", "gap"), Heard(ann, "state")
        await room.publish("before")
        assert (await heard.next()).data == "before"
        stopping = asyncio.ensure_future(asyncio.to_thread(own_broker.stop, signal.SIGTERM))
        change = await states.next()
        assert (change.state, change.code, change.reason) == ("disconnected", 4000, "shutting_down")
        await stopping
        await asyncio.to_thread(own_broker.start)
        published = await within(room.publish("after"))
        events = [await heard.next(), await heard.next()]
        assert events[0].from_.offset == 1, "the memory of the broker is gone, and that is told"
        assert events[1].id == published.id


async def test_an_expired_session_comes_back_with_a_new_token(make: Connect, transport: str) -> None:
    asked: list[str] = []

    def get_token(reason: str) -> str:
        asked.append(reason)
        return token("ann", seconds=1 if len(asked) == 1 else 3600)

    async with make(get_token=get_token) as ann, ann.channel(f"room:token-{transport}") as room:
        states = Heard(ann, "state")
        await room.publish("x")
        while len(asked) < 2:
            change = await states.next() if asked == ["connect"] and not states.is_empty() else None
            assert change is None or change.state in ("disconnected", "connecting", "connected")
            await room.members()
        assert asked[1] in ("refresh", "expired")
        assert (await room.publish("y")).id
