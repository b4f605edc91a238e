"""What of a channel was handed out, and whether a message is new, known, or ahead of others that are missing."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from ..values import Envelope, Gap, Message, Position, Published

# Ids that are remembered, for messages without an offset and across epochs.
IDS = 512
# Places of the client's own messages that it asked not to get.
OWN = 512

Verdict = Literal["new", "known", "ahead"]


class Inbox:
    def __init__(self) -> None:
        # Everything up to here was handed out, or told as a gap.
        self.position: Position | None = None
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._own: OrderedDict[Position, None] = OrderedDict()

    def judge(self, message: Message) -> Verdict:
        at, last = message.position, self.position
        if message.id in self._ids:
            return "known"
        if at is None or last is None:
            return "new"
        if at.epoch != last.epoch:
            # Another epoch begins at 1, or goes on from the one before.
            return "new" if at.offset in (1, last.offset + 1) else "ahead"
        if at.offset <= last.offset:
            return "known"
        return "new" if at.offset == last.offset + 1 or self._is_own_between(last, at) else "ahead"

    def take(self, message: Message) -> None:
        """It is handed out now."""
        self.saw(message.id)
        if message.position is not None:
            self.position = message.position

    def is_known(self, id: str) -> bool:
        return id in self._ids

    def saw(self, id: str) -> None:
        self._ids[id] = None
        if len(self._ids) > IDS:
            self._ids.popitem(last=False)

    def subscribed(self, payload: Envelope, since: Position | None, channel: str) -> list[Message | Gap]:
        """The answer to a subscribe with this ``since``: what was missed."""
        at, last = Position.read(payload), self.position
        found: list[Message | Gap] = []
        recovered = payload.get("recovered")
        if recovered is True:
            listed = payload.get("messages")
            for envelope in listed if isinstance(listed, list) else []:
                message = Message.read(envelope, channel, recovered=True)
                # Recovered messages have the epoch in which they are read, so only the id tells them from what was pushed.
                if message is not None and not self.is_known(message.id):
                    self.saw(message.id)
                    found.append(message)
        elif recovered is False or (since is None and last is not None and last != at):
            # Without `since` (`recover=False`) nothing was missed only if the channel is where it was.
            found.append(Gap(last, at))
        if at is not None:
            self.position = at
        return found

    def own(self, published: Published) -> None:
        """A publish with ``echo: false`` has this id and this place."""
        self.saw(published.id)
        if published.position is not None:
            self._own[published.position] = None
            if len(self._own) > OWN:
                self._own.popitem(last=False)

    def _is_own_between(self, last: Position, at: Position) -> bool:
        missing = at.offset - last.offset - 1
        if missing > len(self._own):
            return False
        return all(Position(at.epoch, offset) in self._own for offset in range(last.offset + 1, at.offset))
