"""Whether the broker is still there: asked with `ping` when nothing was heard for `ping_ms`, given up at 2.5 times that."""

from __future__ import annotations

import math

from ..errors import SluicegateError
from ..values import Envelope
from .connection import Connection
from .options import DEAD_AFTER_PINGS

TIMER = "heartbeat"


class Heartbeat:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard_at = 0.0
        self._pings = True
        self._was_asked = False
        # When silence is the end, where that is sooner than by the heartbeats.
        self._answer_by: float | None = None

    def start(self, now: float, pings: bool) -> None:
        self._pings = pings
        self._was_asked = False
        self._heard_at = now
        self._answer_by = None
        self._connection.timers.set(TIMER, self._next())

    def ask_now(self, now: float, within_ms: float) -> None:
        """There is reason to doubt that the broker is still there."""
        if self._pings:
            self._was_asked = True
            self._answer_by = now + within_ms
            self._connection.request("ping", None, self)
            self._connection.timers.set(TIMER, self._next())

    def stop(self) -> None:
        self._connection.timers.cancel(TIMER)

    def heard(self, now: float) -> None:
        # The timer is left where it is, and looks at this when it fires, which is cheaper than to move it with each message. After a
        # ping it stands at the end of the connection's life, which is too late for the next ping.
        self._heard_at = now
        if self._was_asked:
            self._was_asked = False
            self._answer_by = None
            self._connection.timers.set(TIMER, self._next())

    def is_dead(self, now: float) -> bool:
        """At the timer. Asks, if it is time to."""
        if now - self._heard_at >= DEAD_AFTER_PINGS * self._connection.ping_ms or now >= (self._answer_by or math.inf):
            return True
        if self._pings and not self._was_asked and now - self._heard_at >= self._connection.ping_ms:
            self._was_asked = True
            self._connection.request("ping", None, self)
        self._connection.timers.set(TIMER, max(self._next(), now + 1.0))
        return False

    def acked(self, payload: Envelope, now: float) -> None:
        """That something came is all that counts, and it was counted."""

    def refused(self, error: SluicegateError, now: float) -> None:
        """The same."""

    def _next(self) -> float:
        wait = 1.0 if self._pings and not self._was_asked else DEAD_AFTER_PINGS
        return min(self._heard_at + wait * self._connection.ping_ms, self._answer_by or math.inf)
