"""Times by name, in their order."""

from __future__ import annotations

from sluicegate.machine.timers import Timers


def test_each_name_has_one_time_and_comes_when_it_is_due() -> None:
    timers = Timers()
    timers.set("a", 5)
    timers.set("b", 3)
    timers.set("a", 1)
    timers.set("c", 2)
    timers.cancel("c")
    assert timers.next() == 1
    assert list(timers.due(0.5)) == []
    assert list(timers.due(10)) == ["a", "b"]
    assert timers.next() is None


def test_what_was_cancelled_does_not_pile_up() -> None:
    timers = Timers()
    timers.set("stays", 1e9)
    for number in range(10_000):
        timers.set(number, 1e6)
        timers.cancel(number)
    assert len(timers._heap) < 200
    assert timers.next() == 1e9
