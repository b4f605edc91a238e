"""An answer other than 200: a problem as in RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import SluicegateError
from ..transports.interface import retry_after_ms

_LATER = frozenset({408, 429, 503, 504})


class AdminError(SluicegateError):
    """``code`` is the HTTP status, ``reason`` the problem's code, ``problem`` all that the broker said: ``nodes``, ``problems``…"""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str = "",
        retry: bool = False,
        retry_after_ms: int | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, reason, message, retry, retry_after_ms)
        self.problem = problem or {}

    @classmethod
    def from_answer(cls, status: int, headers: Mapping[str, str], body: object) -> AdminError:
        problem: Mapping[str, Any] = body if isinstance(body, dict) else {}
        reason, detail = problem.get("code"), problem.get("detail")
        return cls(
            status,
            reason if isinstance(reason, str) else f"http_{status}",
            detail if isinstance(detail, str) else f"the answer was {status}, without a problem that can be read",
            status in _LATER,
            retry_after_ms(headers),
            problem,
        )
