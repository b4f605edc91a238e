"""The operator sends clients away, for a while or for good."""

from __future__ import annotations

import asyncio

import pytest

from sluicegate import AsyncAdminClient, SluicegateError
from support.broker import ADMIN_KEY, Broker
from support.heard import Connect, Heard, within

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["websocket", "sse"])
def transport(request: pytest.FixtureRequest) -> str:
    """Not by polls: a session that ends while no poll waits is answered with 410, which does not say why."""
    return str(request.param)


async def test_the_operator_ends_a_client_for_good(make: Connect, broker: Broker, transport: str) -> None:
    async with make(user="eve") as eve, AsyncAdminClient(broker.admin, ADMIN_KEY) as admin:
        states, room = Heard(eve, "state"), eve.channel(f"room:kick-{transport}")
        await room.subscribe()
        waiting = asyncio.ensure_future(anext(aiter(room)))
        assert (await admin.disconnect_user("acme", "eve", code=4321))["affected"] == 1
        change = await states.next()
        assert (change.state, change.code) == ("disconnected", 4321)
        await states.until(lambda change: change.state == "connected")
        assert (await admin.disconnect_user("acme", "eve"))["affected"] == 1
        change = await states.next()
        assert (change.state, change.code, change.retry_in_ms) == ("disconnected", 4504, None)
        with pytest.raises(SluicegateError) as raised:
            await within(waiting)
        assert raised.value.code == 4504
        with pytest.raises(SluicegateError) as raised:
            await room.publish("x")
        assert raised.value.code == 4504
