"""Reads from the history what is missing before a message that came too early. It hands nothing out itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..values import Envelope, Gap, Message, Position
from .inbox import Inbox

# Messages of one answer; the broker gives no more.
PAGE = 1_000


@dataclass(slots=True, eq=False)
class CatchUp:
    channel: str
    ahead: Message
    inbox: Inbox

    def question(self) -> Envelope:
        since = self.inbox.position
        return {"channel": self.channel, "limit": PAGE, **({"since": since.payload()} if since else {})}

    def read(self, payload: Envelope) -> tuple[list[Message], bool]:
        """Messages to hand out, and whether there is more to ask for."""
        listed = payload.get("messages")
        found: list[Message] = []
        for envelope in listed if isinstance(listed, list) else []:
            message = Message.read(envelope, self.channel, recovered=True)
            if message is None or self.inbox.judge(self.ahead) != "ahead":
                continue
            if self.inbox.is_known(message.id):
                # One's own, or pushed under another epoch: passed over, and not missing.
                self.inbox.take(message)
            elif self.inbox.judge(message) != "known":
                self.inbox.take(message)
                found.append(message)
        is_full = isinstance(listed, list) and len(listed) >= PAGE
        return found, is_full and bool(found) and self.inbox.judge(self.ahead) == "ahead"

    def gap(self) -> Gap | None:
        """What is missing still; afterwards it counts as told."""
        at = self.ahead.position
        if at is None or self.inbox.judge(self.ahead) != "ahead":
            return None
        gap = Gap(self.inbox.position, Position(at.epoch, at.offset - 1))
        self.inbox.position = gap.to
        return gap
