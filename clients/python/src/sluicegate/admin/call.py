"""A call as a value: what is sent, and how the answer is read. It does not know whether somebody awaits it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

from ..errors import SluicegateError
from .problem import AdminError

T = TypeVar("T")


class Answer(Protocol):
    """What is used of an ``httpx.Response``."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    method: str
    path: str
    read: Callable[[Answer], T]
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def outcome(self, answer: Answer) -> T:
        if answer.status_code != 200:
            raise AdminError.from_answer(answer.status_code, answer.headers, _json(answer.text))
        return self.read(answer)


def tenant_path(tenant: str, *parts: str) -> str:
    """A path below the tenant, each part percent-encoded as UTF-8."""
    return "/".join(["/tenants", _segment(tenant), *map(_segment, parts)])


def _segment(part: str) -> str:
    """What consists of dots only would be taken for a step in the path."""
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def query(**parameters: str | int | bool | None) -> dict[str, str]:
    """Those that are given."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return {name: ("true" if value else "false") if isinstance(value, bool) else str(value) for name, value in given.items()}


def body(**fields: Any) -> bytes:
    """JSON of those that are given."""
    try:
        given = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as cause:
        raise SluicegateError(0, "bad_data", f"it cannot be written as JSON: {cause}") from cause


def read_json(answer: Answer) -> Any:
    value = _json(answer.text)
    if not isinstance(value, dict):
        raise SluicegateError(0, "bad_answer", "the answer is no JSON object")
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
