"""All channels: subscribed in batches, again after each reconnect, and what comes for them is handed out."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Any

from ..errors import SluicegateError, timed_out
from ..values import Envelope, RoomChange, RoomState
from .backoff import Backoff
from .closes import wants_token
from .connection import Connection
from .effects import Deliver, Fail, Settle
from .inbox import Inbox
from .options import CONNECT_SUBSCRIBE_BYTES, PATIENCE, STABLE_MS, SUBSCRIBES_AT_ONCE, MachineOptions
from .pushes import Pushes, SubscriptionEnd
from .room import Room

PACE_TIMER = "subscribe"
# Ends of a subscription after which it is begun anew: a message could not be queued, and the grant expired.
_SUBSCRIBE_AGAIN = frozenset({4002, 4004})
# 2 to this power is more than any sensible ratio of the longest wait to the first.
MOST_TRIES = 16


@dataclass(slots=True, eq=False)
class Subscribe:
    rooms: Rooms
    room: Room

    def acked(self, payload: Envelope, now: float) -> None:
        self.rooms.under_way -= 1
        self.rooms.subscribed(self.room, payload, now)
        self.rooms.pump(now)

    def refused(self, error: SluicegateError, now: float) -> None:
        self.rooms.under_way -= 1
        self.rooms.refused(self.room, error, now)
        self.rooms.pump(now)


@dataclass(slots=True, eq=False)
class Unsubscribe:
    rooms: Rooms
    handle: Any

    def acked(self, payload: Envelope, now: float) -> None:
        self.rooms.left(self.handle)

    def refused(self, error: SluicegateError, now: float) -> None:
        # Not subscribed (4406), or not known to be: nothing comes any more in either case.
        self.rooms.left(self.handle)


class Rooms:
    def __init__(self, connection: Connection, options: MachineOptions, random: Random) -> None:
        self._connection = connection
        self._options = options
        self._random = random
        self._pushes = Pushes(connection)
        self._rooms: dict[str, Room] = {}
        self._to_ask: deque[Room] = deque()
        self._asked_in_connect: list[Room] = []
        self._asks_in_connect = True
        self._leaving: dict[Any, None] = {}
        self._not_before = 0.0
        self.under_way = 0

    @property
    def overflowed(self) -> bool:
        return self._pushes.overflowed

    @property
    def count(self) -> int:
        return len(self._rooms)

    def inbox(self, channel: str) -> Inbox | None:
        room = self._rooms.get(channel)
        return room.inbox if room else None

    # What the user asks for.

    def subscribe(self, now: float, channel: str, handle: Any, recover: bool = True, presence: bool = False) -> None:
        room = self._rooms.setdefault(channel, Room(channel))
        room.recover, room.presence = recover, presence
        if room.state == "subscribed":
            self._connection.effects.append(Settle(handle, None))
            return
        room.waiters.append(handle)
        self._connection.timers.set(("subscribe", handle), now + self._options.timeout_ms * PATIENCE)
        if room.state == "unsubscribed":
            self._change(room, RoomChange("subscribing"))
            if self._connection.is_up:
                self._to_ask.append(room)
                self.pump(now)

    def unsubscribe(self, now: float, channel: str, handle: Any) -> None:
        room = self._rooms.get(channel)
        was_asked = room is not None and (room.state == "subscribed" or room.is_asked)
        if room is not None:
            # The next subscription begins where the channel is then, and an answer that is still to come belongs to none.
            self._give_up(room, SluicegateError(0, "unsubscribed", "the subscription was given up"), RoomChange("unsubscribed"))
        if not (self._connection.is_up and was_asked):
            self._connection.effects.append(Settle(handle, None))
            return
        self._leaving[handle] = None
        self._connection.timers.set(("leave", handle), now + self._options.timeout_ms)
        self._connection.request("unsubscribe", {"channel": channel}, Unsubscribe(self, handle))

    def timed_out(self, handle: Any) -> None:
        """Its caller is told; the channel stays wanted."""
        for room in self._rooms.values():
            if handle in room.waiters:
                room.waiters.remove(handle)
                self._connection.effects.append(Fail(handle, timed_out(f"the subscribe of {room.channel}")))

    def left(self, handle: Any) -> None:
        if handle in self._leaving:
            del self._leaving[handle]
            self._connection.timers.cancel(("leave", handle))
            self._connection.effects.append(Settle(handle, None))

    # The connection's life.

    def connect_payloads(self) -> list[Envelope]:
        """Subscribes that go with ``connect``, which is one request whatever it holds. The others follow by themselves."""
        payloads: list[Envelope] = []
        room_left = CONNECT_SUBSCRIBE_BYTES if self._asks_in_connect else 0
        for room in self._rooms.values():
            room_left -= len(json.dumps(room.subscribe_payload())) + 1
            if room_left < 0:
                break
            payloads.append(room.ask())
            self._asked_in_connect.append(room)
        return payloads

    def were_too_many_in_connect(self) -> bool:
        """A `connect` was too large for the broker: whether it may have been so because of subscribes. The next has none."""
        self._asks_in_connect = self._asks_in_connect and not self._asked_in_connect
        return bool(self._asked_in_connect)

    def came_up(self, now: float, subscriptions: object) -> None:
        answers = subscriptions if isinstance(subscriptions, list) else []
        asked, self._asked_in_connect = self._asked_in_connect, []
        for room, answer in zip(asked, answers, strict=False):
            error = answer.get("error") if isinstance(answer, dict) else {}
            if not room.wanted:
                # Given up meanwhile; the broker has it all the same.
                self._connection.request("unsubscribe", {"channel": room.channel}, Unsubscribe(self, None))
            elif error is not None:
                self.refused(room, SluicegateError.read(error), now)
            else:
                self.subscribed(room, answer, now)
        for room in asked[len(answers) :]:
            room.is_asked = False
        self._to_ask.extend(room for room in self._rooms.values() if self._is_idle(room))
        self.pump(now)

    def went_down(self) -> None:
        for handle in list(self._leaving):
            self.left(handle)
        self._to_ask.clear()
        self._asked_in_connect.clear()
        self.under_way = 0
        self._not_before = 0.0
        self._pushes.overflowed = False
        self._connection.timers.cancel(PACE_TIMER)
        for room in self._rooms.values():
            room.is_asked = False
            self._pushes.forget(room)
            self._rest_no_more(room)
            if room.state == "subscribed":
                self._change(room, RoomChange("subscribing"))

    def fail_all(self, error: SluicegateError) -> None:
        """The client ended. What was subscribed is to be subscribed again if it is connected again."""
        for room in self._rooms.values():
            waiters, room.waiters = room.waiters, []
            for handle in waiters:
                self._fail(handle, error)
            self._change(room, RoomChange("unsubscribed", error.code or None, error.reason))

    def begin(self) -> None:
        """The client connects: also what was subscribed before it was disconnected."""
        for room in self._rooms.values():
            self._change(room, RoomChange("subscribing"))

    def pump(self, now: float) -> None:
        """Sends subscribes, some at a time."""
        while self._to_ask and self.under_way < SUBSCRIBES_AT_ONCE and self._connection.is_up:
            if now < self._not_before:
                self._connection.timers.set(PACE_TIMER, self._not_before)
                return
            room = self._to_ask.popleft()
            if room.wanted and self._is_idle(room):
                self.under_way += 1
                self._connection.request("subscribe", room.ask(), Subscribe(self, room))

    def ask_again(self, now: float, channel: str) -> None:
        """At the timer of a channel that was refused for a while."""
        if room := self._rooms.get(channel):
            room.is_resting = False
            self._to_ask.append(room)
            self.pump(now)

    # What the broker says.

    def subscribed(self, room: Room, payload: Envelope, now: float) -> None:
        room.is_asked = False
        if not room.wanted:
            return
        room.subscribed_at = now
        self._change(room, RoomChange("subscribed"))
        self._pushes.subscribed(room, payload)
        waiters, room.waiters = room.waiters, []
        for handle in waiters:
            self._connection.timers.cancel(("subscribe", handle))
            self._connection.effects.append(Settle(handle, None))
        if end := self._pushes.release(room):
            self._ended(room, end, now)

    def refused(self, room: Room, error: SluicegateError, now: float) -> None:
        room.is_asked = False
        if not room.wanted:
            return
        self._pushes.forget(room)
        if error.code == 4429 and error.plugin is None:
            # The rate of requests: the others wait as well, and this one is the first.
            self._not_before = max(self._not_before, now + (error.retry_after_ms or 1000))
            self._to_ask.appendleft(room)
            self._connection.timers.set(PACE_TIMER, self._not_before)
            return
        has_token = wants_token(error) and self._options.asks_for_tokens and room.tries == 0
        if (error.retry or has_token) and not room.waiters:
            self._rest(room, now, error.retry_after_ms)
            return
        if not room.waiters:
            self._connection.effects.append(Deliver(room.channel, "error", error))
        self._give_up(room, error, RoomChange("unsubscribed", error.code, error.reason))

    def pushed(self, now: float, envelope: Envelope) -> None:
        room = self._rooms.get(str(envelope.get("channel")))
        if room is not None and (end := self._pushes.push(room, envelope)):
            self._ended(room, end, now)

    def ask_missing(self, channel: str) -> None:
        """At the timer of a channel whose history was busy."""
        if room := self._rooms.get(channel):
            self._pushes.ask_missing(room)

    def _ended(self, room: Room, end: SubscriptionEnd, now: float) -> None:
        self._pushes.forget(room)
        change = RoomChange("subscribing", end.code, end.reason)
        if end.code not in _SUBSCRIBE_AGAIN:
            error = SluicegateError(end.code, end.reason, "the broker ended the subscription")
            self._connection.effects.append(Deliver(room.channel, "error", error))
            self._give_up(room, error, RoomChange("unsubscribed", end.code, end.reason))
        elif now - room.subscribed_at < STABLE_MS:
            # Not again and again at once.
            self._change(room, change)
            self._rest(room, now)
        else:
            room.tries = 0
            self._change(room, change)
            self._to_ask.append(room)
            self.pump(now)

    def _rest(self, room: Room, now: float, at_least_ms: float | None = None) -> None:
        backoff = Backoff(self._options.base_ms * 2.0**room.tries, self._options.max_ms, self._random)
        room.tries = min(room.tries + 1, MOST_TRIES)
        room.is_resting = True
        self._connection.timers.set(("again", room.channel), now + backoff.next(at_least_ms))

    def _give_up(self, room: Room, error: SluicegateError, change: RoomChange) -> None:
        room.wanted = False
        self._rooms.pop(room.channel, None)
        self._pushes.forget(room)
        self._rest_no_more(room)
        waiters, room.waiters = room.waiters, []
        for handle in waiters:
            self._fail(handle, error)
        self._change(room, change)

    def _fail(self, handle: Any, error: SluicegateError) -> None:
        self._connection.timers.cancel(("subscribe", handle))
        self._connection.effects.append(Fail(handle, error))

    def _change(self, room: Room, change: RoomChange) -> None:
        state: RoomState = change.state
        if room.state != state:
            room.state = state
            self._connection.effects.append(Deliver(room.channel, "state", change))

    def _rest_no_more(self, room: Room) -> None:
        room.is_resting = False
        self._connection.timers.cancel(("again", room.channel))

    @staticmethod
    def _is_idle(room: Room) -> bool:
        return room.state != "subscribed" and not room.is_asked and not room.is_resting
