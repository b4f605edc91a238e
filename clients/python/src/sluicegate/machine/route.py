"""Which transport comes next: in the order of the options, but what has worked comes first, and for some rounds alone."""

from __future__ import annotations

from .options import TransportTraits

# A broker that restarts refuses every transport, and accepts the one that happens to be tried next. That is no reason to change.
FAITHFUL_ROUNDS = 3


class Route:
    def __init__(self, transports: tuple[TransportTraits, ...]) -> None:
        self._transports = transports
        self._works: TransportTraits | None = None
        # Since it worked.
        self._rounds = 0
        self._round: list[TransportTraits] = list(transports)

    @property
    def current(self) -> TransportTraits:
        return self._round[0]

    def begin(self) -> None:
        """A new round."""
        self._rounds += 1
        others = [transport for transport in self._transports if transport != self._works]
        if self._works is None:
            self._round = others
        else:
            self._round = [self._works, *(others if self._rounds > FAITHFUL_ROUNDS else [])]

    def next(self, is_unreachable: bool) -> bool:
        """Goes on to the next; False if the round is over. An address that cannot be reached is skipped for the other transports too."""
        failed = self._round[0]
        rest = [transport for transport in self._round[1:] if not (is_unreachable and transport.place == failed.place)]
        if rest:
            self._round = rest
        return bool(rest)

    def remember(self) -> None:
        self._works = self._round[0]
        self._rounds = 0
