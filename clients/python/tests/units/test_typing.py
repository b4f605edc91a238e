"""Who types, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sluicegate import Typing, typing_indicator
from sluicegate.typing_indicator import typing_in
from sluicegate.values import Message, Sender
from support.heard import Heard

pytestmark = pytest.mark.anyio


def said(user: str | None, session: str) -> Message:
    return Message("c", "m", {"$typing": True}, from_=Sender(user, session))


class Said:
    def __init__(self) -> None:
        self.values: list[Any] = []

    async def __call__(self, data: Any) -> None:
        self.values.append(data)


def typing(say: Said | None = None) -> Typing:
    return Typing(say or Said(), lambda: "own", lambda error: None)


@pytest.mark.parametrize(
    ("message", "types"),
    [
        (Message("c", "m", {"$typing": True}), True),
        (Message("c", "m", {"$typing": False}), False),
        (Message("c", "m", {"$typing": 1}), None),
        (Message("c", "m", {"$typing": True, "more": 1}), None),
        (Message("c", "m", "$typing"), None),
        (Message("c", "m", {"$typing": True}, epoch="E", offset=1), None),
    ],
)
def test_what_says_that_somebody_types(message: Message, types: bool | None) -> None:
    assert typing_in(message) is types


async def test_it_expires_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typing_indicator, "LASTS_SECONDS", 0.01)
    it = typing()
    changes = Heard(it, "change")
    it._heard(said("ann", "1"), True)
    assert [await changes.next(), await changes.next()] == [["ann"], []]


async def test_one_name_for_a_user_and_the_session_for_who_has_none() -> None:
    it = typing()
    changes = Heard(it, "change")
    for message in (said("ann", "1"), said("ann", "2"), said(None, "3"), said("ann", "own"), said("ann", "1")):
        it._heard(message, True)
    assert it.users == ["ann", "3"]
    it._left(Sender("ann", "1"))
    it._heard(said("ann", "2"), False)
    assert it.users == ["3"]
    it._clear()
    assert [await changes.next() for _ in range(6)][-1] == []
    assert changes.is_empty()


async def test_there_is_a_bound() -> None:
    it = typing()
    for number in range(200):
        it._heard(said(f"user-{number}", str(number)), True)
    assert len(it.users) == 100
    it._clear()


async def test_it_is_said_at_most_every_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    say = Said()
    it = typing(say)
    for now in (0.0, 0.5, 1.9, 2.0, 2.1):  # noqa: B007
        it.start()
    it.stop()
    it.stop()
    it.start()
    await asyncio.gather(*it._tasks)
    assert [value["$typing"] for value in say.values] == [True, True, False, True]
