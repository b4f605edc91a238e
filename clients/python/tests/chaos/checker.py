"""What the SDK promises, checked against what clients handed out. Pure functions over a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sluicegate import Gap, Message


@dataclass(slots=True)
class Received:
    """What one client handed out of one channel, in its order, and where the channel was when it was subscribed first."""

    who: str
    channel: str
    start: int = 0
    events: list[Message | Gap] = field(default_factory=list)


@dataclass(slots=True)
class Publishes:
    """What one client published in one channel, one after the other: its texts, and those that were acknowledged."""

    who: str
    channel: str
    sent: list[str] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)


def check(received: Iterable[Received], published: Iterable[Publishes], last: dict[str, int]) -> list[str]:
    """What is broken, in words. ``last`` is the newest offset of each channel."""
    found: list[str] = []
    for one in received:
        found += _chain(one, last.get(one.channel))
        for publishes in published:
            if publishes.channel == one.channel:
                found += _exactly_once(one, publishes)
    return found


def _chain(one: Received, last: int | None) -> list[str]:
    """No hole without a gap, no step back, nothing twice, and all of it in the end."""
    name = f"{one.who} in {one.channel}"
    found = []
    at = one.start
    for event in one.events:
        if isinstance(event, Gap):
            if event.from_ is None or event.from_.offset != at:
                found.append(f"{name}: a gap from {event.from_}, where {at} was the last")
            if event.to is not None:
                at = event.to.offset
        elif event.offset is not None:
            if event.offset <= at:
                found.append(f"{name}: {event.offset} after {at}")
            elif event.offset != at + 1:
                found.append(f"{name}: a hole between {at} and {event.offset}, and no gap")
            at = event.offset
    ids = Counter(event.id for event in one.events if isinstance(event, Message))
    found += [f"{name}: the message {id} came {times} times" for id, times in ids.items() if times > 1]
    if last is not None and at != last:
        found.append(f"{name}: ended at {at} of {last}")
    return found


def _exactly_once(one: Received, publishes: Publishes) -> list[str]:
    """What was acknowledged came once, under the id of its answer; what was not may have come, but not twice; all in their order."""
    name = f"{one.who} in {one.channel}"
    messages = [event for event in one.events if isinstance(event, Message)]
    mine = [message for message in messages if str(message.data).startswith(f"{publishes.who}:")]
    texts = [str(message.data) for message in mine]
    found = [f"{name}: {text!r} came {times} times" for text, times in Counter(texts).items() if times > 1]
    ids = {str(message.data): message.id for message in mine}
    has_gaps = any(isinstance(event, Gap) for event in one.events)
    for text, id in publishes.accepted.items():
        if text not in ids:
            if not has_gaps:
                found.append(f"{name}: {text!r} was acknowledged and never came")
        elif ids[text] != id:
            found.append(f"{name}: {text!r} came as {ids[text]} and was acknowledged as {id}")
    order = {text: number for number, text in enumerate(publishes.sent)}
    places = [order[text] for text in texts if text in order]
    if places != sorted(places):
        found.append(f"{name}: the messages of {publishes.who} came in another order")
    return found
