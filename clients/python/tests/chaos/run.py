"""Random clients behind faulty proxies. By hand, from `clients/python`: `PYTHONPATH=src:tests python -m chaos.run --minutes 10 --seed 3`.

The seed draws the faults and what clients do. Time is not drawn, so a rare failure may need several runs of its seed."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from chaos.checker import Publishes, Received, check
from sluicegate import Client, SluicegateError
from support.broker import Broker, token
from support.faulty_proxy import FaultyProxy

TRANSPORTS = ("websocket", "sse", "poll")
CHANNELS = ("room:chaos-1", "room:chaos-2", "short:chaos")
# Beyond what the SDK needs to find out that a connection is dead, and to come back.
CALM_SECONDS = 30.0


class Participant:
    """A client behind a proxy of its own, which listens to all channels and publishes in one after the other."""

    def __init__(self, number: int, proxy: FaultyProxy, random: Random) -> None:
        self.who = f"client-{number}"
        self.proxy = proxy
        self._random = random
        self.client = Client(
            proxy.url,
            get_token=lambda reason: token(self.who),
            transports=[TRANSPORTS[number % len(TRANSPORTS)]],  # type: ignore[list-item]
            reconnect={"base_ms": 50, "max_ms": 1000},
            timeout_ms=10_000,
        )
        self.received = {channel: Received(self.who, channel) for channel in CHANNELS}
        self.published = {channel: Publishes(self.who, channel) for channel in CHANNELS}
        self.failures: list[SluicegateError] = []

    async def start(self) -> None:
        for channel, received in self.received.items():
            room = self.client.channel(channel)
            room.on("message", received.events.append)
            room.on("gap", received.events.append)
        await self.client.connect()
        for channel in CHANNELS:
            await self.client.channel(channel).subscribe()

    async def publish(self, until: asyncio.Event) -> None:
        number = 0
        while not until.is_set():
            channel = self._random.choice(CHANNELS)
            publishes = self.published[channel]
            text = f"{self.who}:{number}"
            number += 1
            publishes.sent.append(text)
            try:
                answer = await self.client.channel(channel).publish(text)
                publishes.accepted[text] = answer.id
            except SluicegateError as error:
                self.failures.append(error)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(until.wait(), self._random.uniform(0.0, 0.1))


async def fault(proxy: FaultyProxy, random: Random) -> str:
    """One fault, from its beginning to its end."""
    kind = random.choice(["cut", "half up", "half down", "refuse", "swallow", "delay"])
    if kind == "cut":
        proxy.cut()
    elif kind.startswith("half"):
        proxy.cut_after("up" if kind == "half up" else "down", random.randrange(1, 400))
    elif kind == "refuse":
        proxy.refuses = True
        proxy.cut()
        await asyncio.sleep(random.uniform(0.1, 2.0))
        proxy.refuses = False
    elif kind == "swallow":
        proxy.swallows = True
        await asyncio.sleep(random.uniform(0.1, 3.5))
        proxy.swallows = False
        proxy.cut()
    else:
        proxy.delay_seconds = lambda: random.uniform(0.0, 0.2)
        await asyncio.sleep(random.uniform(0.5, 2.0))
        proxy.delay_seconds = lambda: 0.0
    return kind


async def trouble(participant: Participant, random: Random, until: asyncio.Event, counts: dict[str, int]) -> None:
    while not until.is_set():
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(until.wait(), random.expovariate(0.7))
            break
        kind = await fault(participant.proxy, random)
        counts[kind] = counts.get(kind, 0) + 1
    # What was planned for bytes that never came.
    participant.proxy.cut_after("up", 1 << 60)
    participant.proxy.cut_after("down", 1 << 60)


async def newest(broker: Broker) -> dict[str, int]:
    async with Client(broker.url, token=token("reader")) as reader:
        pages = [await reader.channel(channel).history(limit=1) for channel in CHANNELS]
    return {channel: page.offset or 0 for channel, page in zip(CHANNELS, pages, strict=True)}


async def run(broker: Broker, seconds: float, seed: int, clients: int = 6) -> tuple[list[str], dict[str, Any]]:
    """What was broken, and how much happened."""
    random = Random(seed)
    participants = [Participant(number, await FaultyProxy(broker.port).start(), Random(random.random())) for number in range(clients)]
    counts: dict[str, int] = {}
    for participant in participants:
        await participant.start()
    over = asyncio.Event()
    troubles = [asyncio.ensure_future(trouble(it, Random(random.random()), over, counts)) for it in participants]
    publishing = [asyncio.ensure_future(it.publish(over)) for it in participants]
    await asyncio.sleep(seconds)
    over.set()
    broken: list[str] = []
    _, late = await asyncio.wait([*troubles, *publishing], timeout=2 * CALM_SECONDS)
    if late:
        broken.append(f"{len(late)} publishes never settled")
    last = await newest(broker)
    received = [one for it in participants for one in it.received.values()]
    published = [one for it in participants for one in it.published.values()]
    deadline = asyncio.get_running_loop().time() + CALM_SECONDS
    while (found := check(received, published, last)) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    broken += found
    for it in participants:
        await it.client.disconnect()
        await it.proxy.stop()
    happened = {
        **counts,
        "published": sum(len(one.sent) for one in published),
        "acknowledged": sum(len(one.accepted) for one in published),
        "not acknowledged": sum(len(it.failures) for it in participants),
        "received": sum(len(one.events) for one in received),
        "connections": sum(it.proxy.accepted for it in participants),
    }
    return broken, happened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder))
        try:
            broken, happened = asyncio.run(run(broker, options.minutes * 60, options.seed))
        finally:
            broker.stop()
    print(f"seed {options.seed}: {happened}")
    for line in broken[:50]:
        print(line)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
