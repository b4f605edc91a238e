"""Publishes from the call to the answer: in order, bounded in bytes, and again after a reconnect with the same key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import SluicegateError, timed_out
from ..values import Envelope, Published
from .connection import Connection
from .effects import Fail, Settle
from .inbox import Inbox
from .options import KEY_WINDOW_MS, PATIENCE, MachineOptions

# An envelope around the payload: type, id, and the brackets.
ENVELOPE_BYTES = 64
# A part of the rate that the broker allows, for what has waited; the rest is left for what does not wait.
BACKLOG_RATE = 0.9
RATE_TIMER = "backlog"


@dataclass(slots=True, eq=False)
class Publish:
    """One publish, and who gets its reply."""

    queue: PublishQueue
    number: int
    handle: Any
    channel: str
    payload: Envelope
    size: int
    first_sent: float | None = None
    is_sent: bool = False
    has_waited: bool = False
    is_over: bool = False

    @property
    def is_ephemeral(self) -> bool:
        return self.payload.get("ephemeral") is True

    @property
    def has_echo(self) -> bool:
        return self.payload.get("echo") is not False

    def is_forgotten(self, now: float) -> bool:
        """Whether the broker may have forgotten its key: then it would be delivered twice."""
        return self.first_sent is not None and now - self.first_sent > KEY_WINDOW_MS

    def acked(self, payload: Envelope, now: float) -> None:
        self.queue.acked(self, payload, now)

    def refused(self, error: SluicegateError, now: float) -> None:
        self.queue.refused(self, error, now)


class PublishQueue:
    def __init__(self, connection: Connection, options: MachineOptions, inbox: Callable[[str], Inbox | None]) -> None:
        self._connection = connection
        self._options = options
        self._inbox = inbox
        self._all: dict[int, Publish] = {}
        # Those that are still to be sent, in the order of their calls; but what was refused for the rate is behind until it is sorted in.
        self._waiting: OrderedDict[int, Publish] = OrderedDict()
        self._is_sorted = True
        self._count = 0
        # Of those that wait to be sent, and of those that wait for their answer.
        self._waiting_bytes = 0
        self._sent_bytes = 0
        # What may be sent of the backlog now, and when that was counted.
        self._allowance = 0.0
        self._counted_at = 0.0

    def add(self, now: float, handle: Any, channel: str, payload: Envelope, size: int, timeout_ms: float | None) -> None:
        size += ENVELOPE_BYTES
        is_sent = self._connection.is_up and not self._waiting and self._sent_bytes + size <= self._options.queue_bytes
        if not is_sent and self._waiting_bytes + size > self._options.queue_bytes:
            text = f"no room for {size} bytes: {self._waiting_bytes} of queue_bytes={self._options.queue_bytes} wait already"
            self._connection.effects.append(Fail(handle, SluicegateError(0, "queue_full", text, retry=True)))
            return
        self._count += 1
        publish = Publish(self, self._count, handle, channel, payload, size)
        self._all[publish.number] = publish
        timeout = self._options.timeout_ms * PATIENCE if timeout_ms is None else timeout_ms
        self._connection.timers.set(("publish", publish.number), now + timeout)
        if is_sent:
            self._send(publish, now)
        else:
            self._wait(publish)

    def came_up(self, now: float) -> None:
        self._allowance = self._connection.limit("publish_per_second") or 0.0
        self._counted_at = now
        self.drain(now)

    def drain(self, now: float) -> None:
        """Sends what waits, as fast as the broker takes it."""
        rate = self._connection.limit("publish_per_second")
        if now < self._counted_at:
            # The broker said how long to wait.
            return
        if rate is not None:
            earned = (now - self._counted_at) / 1000.0 * rate * BACKLOG_RATE
            self._allowance = min(rate, self._allowance + earned)
        self._counted_at = now
        if not self._is_sorted:
            self._waiting = OrderedDict(sorted(self._waiting.items()))
            self._is_sorted = True
        while self._waiting and self._connection.is_up:
            publish = next(iter(self._waiting.values()))
            if self._sent_bytes and self._sent_bytes + publish.size > self._options.queue_bytes:
                return
            if rate is not None:
                if self._allowance < 1.0:
                    wait = (1.0 - self._allowance) / max(rate * BACKLOG_RATE, 0.001) * 1000.0
                    self._connection.timers.set(RATE_TIMER, now + wait + 1.0)
                    return
                self._allowance -= 1.0
            self._wait_no_more(publish)
            self._send(publish, now)

    def went_down(self, now: float) -> None:
        """What was sent is sent again; what may not be sent twice is given up."""
        self._waiting.clear()
        self._waiting_bytes = self._sent_bytes = 0
        for publish in self._all.copy().values():
            publish.is_sent = False
            if publish.first_sent is not None and publish.is_ephemeral:
                lost = "the connection ended before the broker answered"
                self._end(publish, SluicegateError(0, "connection_lost", lost, retry=True))
            elif publish.is_forgotten(now):
                self._end(publish, timed_out(f"a publish to {publish.channel}"))
            else:
                self._wait(publish)
        self._connection.timers.cancel(RATE_TIMER)

    def fail_all(self, error: SluicegateError) -> None:
        for publish in self._all.copy().values():
            self._end(publish, error)
        self._connection.timers.cancel(RATE_TIMER)

    def timed_out(self, number: int) -> None:
        if publish := self._all.get(number):
            self._end(publish, timed_out(f"a publish to {publish.channel}"))

    def acked(self, publish: Publish, payload: Envelope, now: float) -> None:
        if publish.is_over:
            return
        published = Published.read(payload)
        if published is None:
            self._end(publish, SluicegateError(0, "bad_answer", "an ack of a publish without the message's id"))
        else:
            self._end(publish, published)
        self.drain(now)

    def refused(self, publish: Publish, error: SluicegateError, now: float) -> None:
        if publish.is_over:
            return
        # What has waited here comes in bursts that the caller did not choose, so the broker's own rate is no answer to it.
        if error.code == 4429 and error.plugin is None and publish.has_waited:
            self._sent_bytes -= publish.size
            publish.is_sent = False
            self._wait(publish)
            self._is_sorted = False
            self._allowance = 0.0
            self._counted_at = now + (error.retry_after_ms or 0)
            self._connection.timers.set(RATE_TIMER, self._counted_at + 1.0)
            return
        self._end(publish, error)
        self.drain(now)

    def _send(self, publish: Publish, now: float) -> None:
        limit = self._connection.limit("message_bytes")
        if limit is not None and publish.size > limit:
            # The broker would close the connection with 1009.
            text = f"the message takes {publish.size} bytes of limits.message_bytes={limit:.0f}"
            self._end(publish, SluicegateError(4413, "too_large", text))
            return
        if publish.is_forgotten(now):
            self._end(publish, timed_out(f"a publish to {publish.channel}"))
            return
        publish.first_sent = now if publish.first_sent is None else publish.first_sent
        publish.is_sent = True
        self._sent_bytes += publish.size
        self._connection.request("publish", publish.payload, publish)

    def _wait(self, publish: Publish) -> None:
        publish.has_waited = True
        self._waiting_bytes += publish.size
        self._waiting[publish.number] = publish

    def _wait_no_more(self, publish: Publish) -> None:
        if self._waiting.pop(publish.number, None):
            self._waiting_bytes -= publish.size

    def _end(self, publish: Publish, outcome: Published | SluicegateError) -> None:
        publish.is_over = True
        del self._all[publish.number]
        if publish.is_sent:
            self._sent_bytes -= publish.size
        self._wait_no_more(publish)
        connection = self._connection
        connection.timers.cancel(("publish", publish.number))
        if isinstance(outcome, SluicegateError):
            connection.effects.append(Fail(publish.handle, outcome))
            return
        connection.effects.append(Settle(publish.handle, outcome))
        if not publish.has_echo and (inbox := self._inbox(publish.channel)):
            inbox.own(outcome)
