"""A short run of random clients and faults; `chaos/run.py` says how to run it for longer."""

from __future__ import annotations

import pytest

from chaos.run import run
from support.broker import Broker

pytestmark = pytest.mark.anyio
SECONDS = 12.0
SEED = 9


async def test_what_clients_see_under_random_faults_keeps_the_promises(own_broker: Broker) -> None:
    broken, happened = await run(own_broker, SECONDS, SEED)
    assert broken == [], f"seed {SEED}, {happened}"
    assert happened["connections"] >= 12, happened
    assert happened["acknowledged"] >= 100, happened
