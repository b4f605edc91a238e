"""How long to wait before the next try: full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""

from __future__ import annotations

from random import Random

# 2 to this power is more than any sensible ratio of the longest wait to the first.
MOST_DOUBLINGS = 30


class Backoff:
    def __init__(self, base_ms: float, max_ms: float, random: Random) -> None:
        self._base = base_ms
        self._max = max_ms
        self._random = random
        self._tries = 0

    def next(self, at_least_ms: float | None = None) -> float:
        """Milliseconds. What the server wishes counts as the least."""
        ceiling = min(self._max, self._base * 2.0 ** min(self._tries, MOST_DOUBLINGS))
        self._tries += 1
        return max(self._random.uniform(0.0, ceiling), at_least_ms or 0.0)

    def reset(self) -> None:
        self._tries = 0
