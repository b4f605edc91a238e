"""Clients that talk to each other, through a real broker."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from sluicegate import AsyncAdminClient, Channel, Gap, Position, SluicegateError
from support.broker import ADMIN_KEY, Broker
from support.heard import Connect, Heard

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["websocket", "sse", "poll"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_message_reaches_everybody_who_is_subscribed(make: Connect, transport: str) -> None:
    async with make(user="ann") as ann, make(user="bob") as bob:
        async with ann.channel(f"room:chat-{transport}") as hers, bob.channel(f"room:chat-{transport}") as his:
            heard = [Heard(hers, "message"), Heard(his, "message")]
            published = await hers.publish({"text": "hi", "räume": [1, None, 2**60]}, key="k1")
            for listener in heard:
                message = await listener.next()
                assert message.data == {"text": "hi", "räume": [1, None, 2**60]}
                assert (message.id, message.offset, message.epoch) == (published.id, published.offset, published.epoch)
                assert message.from_.user == "ann"
                assert message.from_.session == ann.session
                assert message.recovered is False
            again = await hers.publish("twice", key="k1")
            assert again.duplicate
            assert again.id == published.id


async def test_messages_are_an_iterator_and_wait_for_it(make: Connect, transport: str) -> None:
    async with make() as client, client.channel(f"room:loop-{transport}") as room:
        for number in range(3):
            await room.publish(number)
        got = []
        async for message in room:
            got.append(message.data)
            if message.data == 1:
                break
        assert got == [0, 1]
        async for message in room:
            assert message.data == 2, "what waited is there for the next loop"
            break
        assert room.state == "subscribed", "the context still listens"
    assert room.state == "unsubscribed"


async def test_leaving_a_loop_unsubscribes(make: Connect, broker: Broker, transport: str) -> None:
    async with make() as client, AsyncAdminClient(broker.admin, ADMIN_KEY) as admin:
        room = client.channel(f"room:left-{transport}")
        states = Heard(room, "state")
        asyncio.ensure_future(states.until(lambda change: change.state == "subscribed")).add_done_callback(
            lambda _: asyncio.ensure_future(room.publish("x"))
        )
        async for message in room:
            assert message.data == "x"
            break
        assert room.state == "unsubscribed"
        await room.members()  # Requests are carried out in order, so the broker has left it now.
        listed = await admin.list_channels("acme", prefix=f"room:left-{transport}")
        assert listed["channels"] == []


async def collect(room: Channel, into: list[Any]) -> None:
    async for message in room:
        # One by one, because what came before an error is looked at.
        into.append(message.data)  # noqa: PERF401


async def test_a_loop_that_is_too_slow_is_told(make: Connect, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    import sluicegate.stream

    monkeypatch.setattr(sluicegate.stream.Stream.__init__, "__defaults__", (4,))
    async with make() as client, client.channel(f"room:slow-{transport}") as room:
        for number in range(6):
            await room.publish(number)
        got: list[int] = []
        with pytest.raises(SluicegateError) as raised:
            await collect(room, got)
        assert raised.value.reason == "slow_consumer"
        assert got == [0, 1, 2, 3]


async def test_members_and_their_coming_and_going(make: Connect, transport: str) -> None:
    async with make(user="ann") as ann:
        room = ann.channel(f"room:who-{transport}", presence=True)
        presence, moves = Heard(room, "presence"), Heard(room, "join", "leave")
        await room.subscribe()
        assert [member.user for member in await presence.next()] == ["ann"]
        async with make(user="bob") as bob, bob.channel(f"room:who-{transport}"):
            assert (await moves.next()).user == "bob"
            assert sorted(member.user for member in await room.members()) == ["ann", "bob"]
        assert (await moves.next()).user == "bob"
        assert [len(await presence.next()) for _ in range(2)] == [2, 1]


async def test_the_history_in_pages_and_all_of_it(make: Connect, transport: str) -> None:
    async with make() as client:
        room = client.channel(f"room:past-{transport}")
        for number in range(7):
            await room.publish(number)
        page = await room.history(limit=2)
        assert [message.data for message in page] == [0, 1]
        assert (len(page), page[1].data, page.offset) == (2, 1, 7)
        assert all(message.recovered for message in page)
        newest = await room.history(limit=1, reverse=True)
        assert newest[0].data == 6
        assert [message.data async for message in room.history.all(limit=3)] == list(range(7))
        assert [message.data async for message in room.history.all(since=page[1].position, limit=2)] == [2, 3, 4, 5, 6]
        assert [message.data async for message in room.history.all(reverse=True, limit=4)] == [6, 5, 4, 3, 2, 1, 0]
        with pytest.raises(SluicegateError) as raised:
            await client.channel("plain").history()
        assert raised.value.code == 4400


async def test_typing_is_seen_by_others_and_ends_with_a_message(make: Connect, transport: str) -> None:
    async with make(user="ann") as ann, make(user="bob") as bob:
        async with ann.channel(f"room:typing-{transport}") as hers, bob.channel(f"room:typing-{transport}") as his:
            changes, own, messages = Heard(his.typing(), "change"), Heard(hers.typing(), "change"), Heard(his, "message")
            hers.typing().start()
            hers.typing().start()
            assert await changes.next() == ["ann"]
            assert his.typing().users == ["ann"]
            await hers.publish("done")
            assert await changes.next() == []
            hers.typing().start()
            await hers.publish("flush")
            assert [(await messages.next()).data for _ in range(2)] == ["done", "flush"], "typing is no message"
            hers.typing().stop()
            assert changes.is_empty()
            assert own.is_empty(), "oneself is not among them"


async def test_ones_own_messages_can_be_left_out_without_a_gap(make: Connect, transport: str) -> None:
    async with make() as client, client.channel(f"room:own-{transport}") as room:
        gaps = Heard(room, "gap")
        await asyncio.gather(*(room.publish(number, echo=number % 3 == 0) for number in range(30)))
        got: list[int] = []
        async for message in room:
            got.append(message.data)
            if len(got) == 10:
                break
        assert got == list(range(0, 30, 3))
        assert gaps.is_empty()


async def test_what_was_missed_beyond_the_history_is_a_gap(make: Connect, transport: str) -> None:
    async with make(user="ann") as ann, make(user="bob") as bob:
        room = ann.channel(f"short:1-{transport}")
        heard = Heard(room, "message", "gap")
        await room.subscribe()
        first = await bob.channel(f"short:1-{transport}").publish(0)
        assert (await heard.next()).data == 0
        await ann.disconnect()
        for number in range(1, 6):
            last = await bob.channel(f"short:1-{transport}").publish(number)
        await ann.connect()
        gap = await heard.next()
        assert first.epoch is not None
        assert last.epoch is not None
        assert gap == Gap(Position(first.epoch, 1), Position(last.epoch, 6))
        await bob.channel(f"short:1-{transport}").publish("next")
        assert (await heard.next()).data == "next"


async def test_channels_that_nobody_has_any_more_are_forgotten(make: Connect, transport: str) -> None:
    async with make() as client:
        heard = Heard(client.channel(f"room:kept-{transport}"), "message")
        await client.channel(f"room:kept-{transport}").subscribe()
        for number in range(20):
            await client.channel(f"room:many-{number}").publish(number)
        gc.collect()
        assert list(client._channels) == [f"room:kept-{transport}"]
        await client.channel(f"room:kept-{transport}").publish("x")
        assert (await heard.next()).data == "x"


@pytest.mark.parametrize("data", [{1, 2}, float("nan"), object(), "\ud800", {("a",): 1}])
async def test_what_is_no_json_is_refused_and_nothing_else_is_disturbed(make: Connect, data: Any, transport: str) -> None:
    async with make() as client, client.channel(f"room:json-{transport}") as room:
        with pytest.raises(SluicegateError) as raised:
            await room.publish(data)
        assert raised.value.reason == "bad_data"
        assert (await room.publish(1)).id
        assert client.state == "connected"


async def test_a_refusal_names_its_code(make: Connect, transport: str) -> None:
    async with make() as client:
        with pytest.raises(SluicegateError) as raised:
            await client.channel("plain").members()
        assert (raised.value.code, raised.value.reason, raised.value.retry) == (4400, "bad_request", False)
        with pytest.raises(SluicegateError) as raised:
            await client.channel(f"room:big-{transport}").publish("x" * 70_000)
        assert raised.value.code == 4413
        assert client.state == "connected"
