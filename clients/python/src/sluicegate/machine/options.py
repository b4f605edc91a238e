"""What the machine is told once. Its limits, each with its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Subscribes in one `connect`, in bytes of JSON: half of the smallest `message_bytes` that is usual, which the ack tells only later.
CONNECT_SUBSCRIBE_BYTES = 32_768
# Subscribes that are under way at a time beside those of `connect`.
SUBSCRIBES_AT_ONCE = 32
# Requests that wait for an answer, publishes apart: those are bounded in bytes.
REQUESTS_AT_ONCE = 1_024
# What waits for a connection and is sent again after one was lost takes longer than one answer: so many times `timeout_ms`.
PATIENCE = 3
# The broker remembers a publish's key for 120 s unless configured. What was sent is not sent again when this has passed.
KEY_WINDOW_MS = 110_000.0
# A connection on which nothing was heard for so many times `ping_ms` is dead.
DEAD_AFTER_PINGS = 2.5
# A token is refreshed when a part of its time between these has passed.
REFRESH_AFTER = (0.7, 0.85)
# A token with hardly any time left is not refreshed more often than this: brokers take one for a while after its end.
LEAST_REFRESH_MS = 1_000.0
# A broker that does not say its `ping_ms`.
PING_MS = 25_000.0
# A connection, or a subscription, that was there for so long was a good one: what ends it is the first of its kind again.
STABLE_MS = 5_000.0
# Messages of a channel that are held while its subscribe is under way.
HELD_MESSAGES = 4_096


@dataclass(frozen=True, slots=True)
class TransportTraits:
    """How the machine speaks by a transport."""

    name: str
    # Where it connects to, to know that another transport would reach nobody there either.
    place: str
    # Whether `connect` takes subscribes along.
    subscribes_in_connect: bool = True
    # Whether silence is ended by `ping`; others hear from the broker by themselves.
    pings: bool = True


@dataclass(frozen=True, slots=True)
class MachineOptions:
    transports: tuple[TransportTraits, ...]
    token: str | None = None
    asks_for_tokens: bool = False
    client: tuple[str, str] | None = None
    data: Any = None
    base_ms: float = 500.0
    max_ms: float = 20_000.0
    timeout_ms: float = 10_000.0
    queue_bytes: int = 1_048_576
