"""The token: asked for, kept while it is good, refreshed before it ends. It does not know what a token is."""

from __future__ import annotations

from random import Random

from ..errors import SluicegateError
from ..values import Envelope
from .backoff import Backoff
from .closes import wants_token
from .connection import Connection
from .effects import AskToken, Complain, TokenReason
from .options import LEAST_REFRESH_MS, REFRESH_AFTER, MachineOptions

REFRESH_TIMER = "refresh"
ASK_TIMER = "token"


class Tokens:
    def __init__(self, connection: Connection, options: MachineOptions, random: Random) -> None:
        self._connection = connection
        self._options = options
        self._random = random
        self._backoff = Backoff(options.base_ms, options.max_ms, random)
        self._number = 0
        self.current = options.token
        # Why a token is being asked for, or none is.
        self.asked: TokenReason | None = None
        self.reason: TokenReason = "connect"
        self._was_renewed_once = False

    @property
    def can_ask(self) -> bool:
        return self._options.asks_for_tokens

    def ask(self, now: float, reason: TokenReason) -> None:
        self._number += 1
        self.asked = reason
        self._connection.effects.append(AskToken(self._number, reason))
        self._connection.timers.set(ASK_TIMER, now + self._options.timeout_ms)

    def came(self, number: int, token: str) -> TokenReason | None:
        """Why it was asked for; None if nobody waits for it any more."""
        reason = self.asked
        if number != self._number or reason is None:
            return None
        self.forget_question()
        self.current = token
        self.reason = "connect"
        return reason

    def failed(self, number: int) -> TokenReason | None:
        reason = self.asked
        if number != self._number or reason is None:
            return None
        self.forget_question()
        return reason

    @property
    def number(self) -> int:
        return self._number

    def forget_question(self) -> None:
        self.asked = None
        self._connection.timers.cancel(ASK_TIMER)

    def has_expired(self) -> None:
        """The token is no good: the next connection asks for another."""
        if self.can_ask:
            self.current = None
            self.reason = "expired"

    def came_up(self, now: float, ack: Envelope) -> None:
        self._was_renewed_once = False
        self._backoff.reset()
        self._plan(now, ack.get("expires_at"))

    def went_down(self) -> None:
        self._connection.timers.cancel(REFRESH_TIMER)
        if self.asked == "refresh" or self.asked == "expired":
            self.forget_question()

    def refresh(self, now: float) -> None:
        """At the timer."""
        if self.can_ask and self.asked is None:
            self.ask(now, "refresh")

    def renew(self, now: float) -> None:
        """A reply said that the token is no good, on a connection that is up."""
        if self.can_ask and self.asked is None and not self._was_renewed_once:
            self._was_renewed_once = True
            self.ask(now, "expired")

    def send_refresh(self) -> None:
        self._connection.request("refresh", {"token": self.current}, self)

    def again_later(self, now: float, at_least_ms: float | None = None) -> None:
        self._connection.timers.set(REFRESH_TIMER, now + self._backoff.next(at_least_ms))

    def acked(self, payload: Envelope, now: float) -> None:
        self._was_renewed_once = False
        self._backoff.reset()
        self._plan(now, payload.get("expires_at"))

    def refused(self, error: SluicegateError, now: float) -> None:
        if error.retry:
            self.again_later(now, error.retry_after_ms)
        elif wants_token(error) and not self._was_renewed_once:
            self.renew(now)
        else:
            self._connection.effects.append(Complain(error))

    def _plan(self, now: float, expires_at: object) -> None:
        """Both times are the broker's, so its clock need not be ours."""
        self._connection.timers.cancel(REFRESH_TIMER)
        server_now = self._connection.server_now
        if not self.can_ask or not isinstance(expires_at, (int, float)) or server_now is None:
            return
        remaining = max(float(expires_at) - server_now, 0.0)
        self._connection.timers.set(REFRESH_TIMER, now + max(remaining * self._random.uniform(*REFRESH_AFTER), LEAST_REFRESH_MS))
