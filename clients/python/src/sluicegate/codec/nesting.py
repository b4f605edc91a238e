"""Values put together piece by piece. Libraries read nested ones by recursion, of which Python has little; whoever publishes chooses how
deep a message is, so that may be no error to who reads. It is slow, and used where the libraries have given up."""

from __future__ import annotations

from typing import Any


class Nesting:
    """One value in the end: ``open`` and ``close`` for lists and maps, ``add`` for what is in them, and for a map's keys before."""

    def __init__(self) -> None:
        self._whole: list[Any] = []
        self._open: list[list[Any] | dict[str, Any]] = [self._whole]
        self._keys: list[str | None] = [None]

    @property
    def depth(self) -> int:
        return len(self._open) - 1

    def open(self, container: list[Any] | dict[str, Any]) -> None:
        self._put(container)
        self._open.append(container)
        self._keys.append(None)

    def close(self) -> None:
        if self.depth == 0 or self._keys.pop() is not None:
            raise ValueError("an end without a beginning")
        self._open.pop()

    def add(self, value: Any) -> None:
        if isinstance(self._open[-1], dict) and self._keys[-1] is None:
            if not isinstance(value, str):
                raise ValueError("a map's key that is no text")
            self._keys[-1] = value
        else:
            self._put(value)

    def whole(self) -> Any:
        if self.depth or len(self._whole) != 1:
            raise ValueError("no whole value")
        return self._whole[0]

    def _put(self, value: Any) -> None:
        container, key = self._open[-1], self._keys[-1]
        if isinstance(container, list):
            container.append(value)
        elif key is None:
            raise ValueError("a map's key that is no text")
        else:
            container[key] = value
            self._keys[-1] = None
