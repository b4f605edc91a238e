"""One broker for all live tests, and clients that are closed after each."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sluicegate import Client
from support.broker import Broker, token
from support.faulty_proxy import FaultyProxy
from support.heard import Connect


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """One that a test may stop."""
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
async def proxy(broker: Broker) -> AsyncIterator[FaultyProxy]:
    proxy = await FaultyProxy(broker.port).start()
    yield proxy
    await proxy.stop()


@pytest.fixture
def transport() -> str:
    """By which `make` connects. Modules whose tests hold for every transport have one with parameters."""
    return "websocket"


@pytest.fixture
async def make(broker: Broker, transport: str) -> AsyncIterator[Connect]:
    """Makes clients, by default to the broker, as `ann`, and quick to come back."""
    clients: list[Client] = []

    def make(url: str | None = None, *, user: str | None = "ann", **options: Any) -> Client:
        if user is not None and "get_token" not in options and "token" not in options:
            options["token"] = token(user)
        client = Client(url or broker.url, **{"reconnect": {"base_ms": 20, "max_ms": 200}, "transports": [transport], **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.disconnect()
