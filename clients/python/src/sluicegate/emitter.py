"""Listeners by event. One that raises disturbs nobody else: what it raised goes to ``on_raise``."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from .errors import SluicegateError

Listener = Callable[[Any], Any]
OnRaise = Callable[[SluicegateError], None]


class Emitter:
    def __init__(self, events: frozenset[str], on_raise: OnRaise) -> None:
        self._events = events
        self._on_raise = on_raise
        self._listeners: dict[str, list[Listener]] = {}
        # The event loop itself holds tasks weakly.
        self._tasks: set[asyncio.Task[Any]] = set()

    def on(self, event: str, listener: Listener) -> Callable[[], None]:
        """Calls ``listener``, a function or a coroutine function, at each such event. Returns what takes it away again."""
        if event not in self._events:
            raise ValueError(f"there is no event {event!r}; there are {', '.join(sorted(self._events))}")
        listeners = self._listeners.setdefault(event, [])
        listeners.append(listener)

        def off() -> None:
            if listener in listeners:
                listeners.remove(listener)

        return off

    def hears(self, event: str) -> bool:
        return bool(self._listeners.get(event))

    def hears_any(self) -> bool:
        return any(self._listeners.values())

    def emit(self, event: str, value: Any) -> None:
        for listener in list(self._listeners.get(event, ())):
            try:
                returned = listener(value)
            except (Exception, asyncio.CancelledError) as cause:
                # Nobody cancels a function amid its run: it handed on what ended something else.
                self._raised(event, cause)
                continue
            if inspect.iscoroutine(returned):
                task = asyncio.ensure_future(returned)
                self._tasks.add(task)
                task.add_done_callback(lambda task: self._finished(event, task))

    def _finished(self, event: str, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(cause := task.exception(), Exception):
            self._raised(event, cause)

    def _raised(self, event: str, cause: BaseException) -> None:
        error = SluicegateError(0, "listener_failed", f"a listener of {event!r} raised {cause!r}")
        error.__cause__ = cause
        self._on_raise(error)
