"""Each promise of the checker, broken once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaos.checker import Publishes, Received, check
from sluicegate import Gap, Message, Position


def message(offset: int, text: str = "", id: str = "") -> Message:
    return Message("room", id or f"m{offset}", text or f"ann:{offset}", epoch="E", offset=offset)


def history() -> tuple[Received, Publishes]:
    received = Received("bob", "room", events=[message(number) for number in range(1, 6)])
    sent = [f"ann:{number}" for number in range(1, 6)]
    return received, Publishes("ann", "room", sent, {text: f"m{number}" for number, text in enumerate(sent, 1)})


def found(change: Callable[[Received, Publishes], object], last: int = 5) -> list[str]:
    received, publishes = history()
    change(received, publishes)
    return check([received], [publishes], {"room": last})


def test_a_good_history_is_good() -> None:
    assert found(lambda received, publishes: None) == []
    assert found(lambda received, publishes: publishes.sent.append("ann:6")) == [], "without an answer it may not have happened"


def with_gap(received: Received) -> None:
    received.events[1:3] = [Gap(Position("E", 1), Position("E", 3))]


def test_a_gap_that_is_told_is_no_fault() -> None:
    assert found(lambda received, publishes: with_gap(received)) == []


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a hole between 2 and 4", lambda received, publishes: received.events.pop(2)),
        ("was acknowledged and never came", lambda received, publishes: received.events.pop(2)),
        ("2 after 3", lambda received, publishes: received.events.insert(3, message(2))),
        ("came 2 times", lambda received, publishes: received.events.insert(3, message(2))),
        ("'ann:2' came 2 times", lambda received, publishes: received.events.append(message(6, "ann:2"))),
        ("ended at 4 of 5", lambda received, publishes: received.events.pop()),
        ("a gap from", lambda received, publishes: received.events.insert(2, Gap(Position("E", 9), None))),
        ("was acknowledged as other", lambda received, publishes: publishes.accepted.update({"ann:3": "other"})),
        ("in another order", lambda received, publishes: publishes.sent.reverse()),
    ],
)
def test_a_broken_promise_is_found(what: str, change: Callable[[Received, Publishes], object]) -> None:
    assert any(what in line for line in found(change)), found(change)
