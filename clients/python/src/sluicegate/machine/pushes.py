"""What the broker pushes to a channel, handed out in its order. It does not know how a channel is subscribed."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SluicegateError
from ..values import Envelope, Gap, Member, Message, read_members
from .catch_up import CatchUp
from .connection import Connection
from .effects import Deliver, RoomEvent
from .options import HELD_MESSAGES
from .room import Room

# How long a history that is busy is left alone, in milliseconds, where the broker does not say.
BUSY_MS = 1_000


@dataclass(frozen=True, slots=True)
class SubscriptionEnd:
    """The broker ended the subscription."""

    code: int
    reason: str


@dataclass(slots=True, eq=False)
class _Missing:
    """Asks the history for what is missing."""

    pushes: Pushes
    room: Room
    catch_up: CatchUp

    def acked(self, payload: Envelope, now: float) -> None:
        if self.room.catch_up is self.catch_up:
            self.pushes.caught_up(self.room, self.catch_up, payload)

    def refused(self, error: SluicegateError, now: float) -> None:
        if self.room.catch_up is not self.catch_up:
            return
        if error.retry:
            self.pushes.ask_missing_later(self.room, now + (error.retry_after_ms or BUSY_MS))
        else:
            # The history does not reach back so far, or there is no right to it.
            self.pushes.caught_up(self.room, self.catch_up, {})


class Pushes:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # More was held for a subscribe than there is room for.
        self.overflowed = False

    def subscribed(self, room: Room, payload: Envelope) -> None:
        """The answer to a subscribe, with what was missed."""
        for value in room.inbox.subscribed(payload, room.since, room.channel):
            self._deliver(room, "message" if isinstance(value, Message) else "gap", value)
        if "presence" in payload:
            room.members = {member.session: member for member in read_members(payload["presence"])}
            self._deliver(room, "presence", list(room.members.values()))

    def push(self, room: Room, envelope: Envelope) -> SubscriptionEnd | None:
        """One push, or it waits for what comes before it."""
        if room.is_asked or room.catch_up:
            room.held.append(envelope)
            # The messages go on with a gap, rather than wait in memory without bound, or for an end that is there.
            is_over = len(room.held) > HELD_MESSAGES
            if room.catch_up and (is_over or _is_end(envelope)):
                return self._end_catch_up(room, room.catch_up)
            self.overflowed = self.overflowed or is_over
            return None
        return self._take(room, envelope) if room.state == "subscribed" else None

    def release(self, room: Room) -> SubscriptionEnd | None:
        """What waited."""
        held, room.held = room.held, []
        for number, envelope in enumerate(held):
            if end := self._take(room, envelope):
                return end
            if room.catch_up:
                room.held += held[number + 1 :]
                return self._end_catch_up(room, room.catch_up) if any(map(_is_end, room.held)) else None
        return None

    def forget(self, room: Room) -> None:
        """What waits belongs to a subscription that is over."""
        room.held = []
        room.catch_up = None
        self._connection.timers.cancel(("missing", room.channel))

    def caught_up(self, room: Room, catch_up: CatchUp, payload: Envelope) -> None:
        found, goes_on = catch_up.read(payload)
        for message in found:
            self._deliver(room, "message", message)
        if goes_on:
            self.ask_missing(room)
        else:
            # No end of the subscription comes of it: one would have ended this before.
            self._end_catch_up(room, catch_up)

    def ask_missing(self, room: Room) -> None:
        if room.catch_up:
            self._connection.request("history", room.catch_up.question(), _Missing(self, room, room.catch_up))

    def ask_missing_later(self, room: Room, at: float) -> None:
        self._connection.timers.set(("missing", room.channel), at)

    def _take(self, room: Room, envelope: Envelope) -> SubscriptionEnd | None:
        kind, payload = envelope.get("type"), envelope.get("payload")
        if kind == "message":
            self._message(room, envelope)
        elif kind in ("join", "leave"):
            member = Member.read(payload)
            if member is not None:
                self._deliver(room, kind, member)
                self._present(room, member, kind == "join")
        elif kind == "unsubscribed":
            fields = payload if isinstance(payload, dict) else {}
            code = fields.get("code")
            return SubscriptionEnd(code if isinstance(code, int) else 0, str(fields.get("reason")))
        return None

    def _message(self, room: Room, envelope: Envelope) -> None:
        message = Message.read(envelope, room.channel)
        verdict = room.inbox.judge(message) if message else "known"
        if message is None or verdict == "known":
            return
        if verdict == "ahead":
            room.held.insert(0, envelope)
            room.catch_up = CatchUp(room.channel, message, room.inbox)
            self.ask_missing(room)
            return
        room.inbox.take(message)
        self._deliver(room, "message", message)

    def _end_catch_up(self, room: Room, catch_up: CatchUp) -> SubscriptionEnd | None:
        room.catch_up = None
        self._connection.timers.cancel(("missing", room.channel))
        if gap := catch_up.gap():
            self._deliver(room, "gap", gap)
        return self.release(room)

    def _present(self, room: Room, member: Member, is_there: bool) -> None:
        if room.members is None:
            return
        if is_there:
            room.members[member.session] = member
        else:
            room.members.pop(member.session, None)
        self._deliver(room, "presence", list(room.members.values()))

    def _deliver(self, room: Room, event: RoomEvent, value: Message | Gap | Member | list[Member]) -> None:
        self._connection.effects.append(Deliver(room.channel, event, value))


def _is_end(envelope: Envelope) -> bool:
    return envelope.get("type") == "unsubscribed"
