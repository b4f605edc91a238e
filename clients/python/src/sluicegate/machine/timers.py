"""When what is to happen. The time is a number of milliseconds that somebody else counts."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from itertools import count

# How many outdated entries there may be, beyond as many as are current, before they are removed.
SLACK = 64


class Timers:
    """Each has a name that is a text, or a tuple that begins with one."""

    def __init__(self) -> None:
        self._at: dict[Hashable, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._count = count()

    def set(self, name: Hashable, at: float) -> None:
        """One time for each name: a later call stands in place of the earlier one."""
        number = next(self._count)
        self._at[name] = (at, number)
        heapq.heappush(self._heap, (at, number, name))
        if len(self._heap) > 2 * len(self._at) + SLACK:
            # Most were moved or cancelled, and would stay until their time.
            self._heap = [(at, number, name) for name, (at, number) in self._at.items()]
            heapq.heapify(self._heap)

    def cancel(self, name: Hashable) -> None:
        self._at.pop(name, None)

    def next(self) -> float | None:
        while self._heap:
            at, number, name = self._heap[0]
            if self._at.get(name) == (at, number):
                return at
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[Hashable]:
        """Each name whose time has come, taken out."""
        while (at := self.next()) is not None and at <= now:
            name = heapq.heappop(self._heap)[2]
            del self._at[name]
            yield name
