"""One channel: whether it is wanted, whether it is subscribed, and what it has got. It does not know how it is asked for."""

from __future__ import annotations

from typing import Any

from ..values import Envelope, Member, Position, RoomState
from .catch_up import CatchUp
from .inbox import Inbox


class Room:
    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.recover = True
        self.presence = False
        # Until it is given up. Then another object takes its place, and answers to this one are nobody's.
        self.wanted = True
        self.state: RoomState = "unsubscribed"
        self.inbox = Inbox()
        # Who waits for the subscribe.
        self.waiters: list[Any] = []
        # The `since` of the subscribe that is under way.
        self.is_asked = False
        self.since: Position | None = None
        # Pushes that came before the answer to the subscribe, as by SSE they may, or before what is missing before them.
        self.held: list[Envelope] = []
        self.catch_up: CatchUp | None = None
        # Who is there, by session, where the subscribe asked for it.
        self.members: dict[str, Member] | None = None
        self.subscribed_at = float("-inf")
        # How often it was refused, or ended, for a while, and whether it rests because of that.
        self.tries = 0
        self.is_resting = False

    def ask(self) -> Envelope:
        """The payload of the subscribe that begins."""
        self.is_asked = True
        return self.subscribe_payload()

    def subscribe_payload(self) -> Envelope:
        """What is sent now; the answer is read by it."""
        self.since = self.inbox.position if self.recover else None
        payload: Envelope = {"channel": self.channel}
        if self.since is not None:
            payload["since"] = self.since.payload()
        if self.presence:
            payload["presence"] = True
        return payload
