"""A broker within the process: a transport that accepts all it is asked, at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import sluicegate.driver
from sluicegate.values import Envelope


class FakeBroker:
    def __init__(self) -> None:
        self.requests: list[Envelope] = []
        self.connects = 0
        self._to_client: asyncio.Queue[list[Envelope]] = asyncio.Queue()
        self._messages = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
        monkeypatch.setattr(sluicegate.driver, "transport", lambda *_: self)
        return self

    def push(self, *envelopes: Envelope) -> None:
        """All at once, as a batch of a poll comes."""
        self._to_client.put_nowait(list(envelopes))

    def message(self, data: Any, offset: int) -> Envelope:
        return {"type": "message", "id": f"m{offset}", "channel": "room", "epoch": "E", "offset": offset, "payload": data}

    # A transport.

    async def open(self, connect: Envelope) -> None:
        self.connects += 1
        self._to_client = asyncio.Queue()
        payload: Envelope = {"session": "s"}
        if subscribe := connect["payload"].get("subscribe"):
            payload["subscriptions"] = [self._answer({"type": "subscribe", "payload": asked}) for asked in subscribe]
        self.push({"type": "ack", "id": connect["id"], "payload": payload})

    async def receive(self) -> list[Envelope]:
        return await self._to_client.get()

    async def send(self, requests: list[Envelope]) -> None:
        self.requests += requests
        self.push(*({"type": "ack", "id": request["id"], "payload": self._answer(request)} for request in requests))

    async def close(self) -> None:
        pass

    def _answer(self, request: Envelope) -> Envelope:
        channel = (request.get("payload") or {}).get("channel")
        if request["type"] == "publish":
            self._messages += 1
            return {"channel": channel, "message": f"p{self._messages}"}
        if request["type"] == "subscribe":
            return {"channel": channel, "epoch": "E", "offset": 0}
        return {"channel": channel}
