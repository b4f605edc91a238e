"""What is left of a client that was disconnected, wherever it was: nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from sluicegate import Client, SluicegateError
from support.faulty_proxy import FaultyProxy
from support.heard import Connect, Heard, within

pytestmark = pytest.mark.anyio
Begin = Callable[[Client, FaultyProxy], Awaitable[Any]]


@pytest.fixture(params=["websocket", "sse", "poll"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def closed(call: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
    """A call that a disconnect ends."""

    async def ends() -> None:
        with pytest.raises(SluicegateError) as raised:
            await call
        assert raised.value.reason == "closed"

    return asyncio.ensure_future(ends())


async def idle(client: Client, proxy: FaultyProxy) -> None:
    await client.connect()
    await client.channel("room:ends").subscribe()


async def cut(client: Client, proxy: FaultyProxy) -> None:
    """Once the connection is cut, its end and the client's come together."""
    await idle(client, proxy)
    proxy.cut()


async def asking(client: Client, proxy: FaultyProxy) -> asyncio.Future[Any]:
    await idle(client, proxy)
    client.channel("room:ends").typing().start()
    proxy.swallows = True
    call = closed(client.channel("room:ends").publish("x"))
    await asyncio.wait({call}, timeout=0)
    return call


async def opening(client: Client, proxy: FaultyProxy) -> asyncio.Future[Any]:
    proxy.swallows = True
    connecting = closed(client.connect())
    while not proxy.accepted:
        await asyncio.wait({connecting}, timeout=0.01)
    return connecting


async def waiting(client: Client, proxy: FaultyProxy) -> None:
    states = Heard(client, "state")
    await idle(client, proxy)
    proxy.refuses = True
    proxy.cut()
    await states.until(lambda change: change.retry_in_ms is not None)


@pytest.mark.parametrize("begin", [idle, cut, asking, opening, waiting])
async def test_a_client_that_was_disconnected_leaves_nothing_behind(make: Connect, proxy: FaultyProxy, begin: Begin) -> None:
    await leaves_nothing(make(proxy.url), proxy, begin)


async def test_a_client_whose_token_never_came_leaves_nothing_behind(make: Connect, proxy: FaultyProxy) -> None:
    asked = asyncio.Event()

    async def get_token(reason: str) -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    async def begin(client: Client, proxy: FaultyProxy) -> asyncio.Future[Any]:
        connecting = closed(client.connect())
        await within(asked.wait())
        return connecting

    await leaves_nothing(make(proxy.url, get_token=get_token), proxy, begin)


async def leaves_nothing(client: Client, proxy: FaultyProxy, begin: Begin) -> None:
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: faults.append(context))
    # Tasks of the proxy, which come and go with connections.
    others = asyncio.all_tasks()
    settled = await begin(client, proxy)
    await within(client.disconnect())
    if settled is not None:
        await within(settled)
    left = {task for task in asyncio.all_tasks() - others if "sluicegate" in repr(task)}
    assert left == set()
    assert client._driver.machine.next_wake() is None
    assert client._driver._timer is None
    del settled
    gc.collect()
    assert faults == []
    loop.set_exception_handler(None)
