"""What a transport is, and how it fails."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Protocol

import httpx

from ..errors import SluicegateError
from ..values import Envelope

# One message of the broker: the longest answers are recoveries and histories, of 8 MiB and what their envelopes add.
RECEIVE_BYTES = 64 * 1024 * 1024
# Statuses that say "later", among those that say "never".
_LATER = frozenset({408, 425, 429})


class Transport(Protocol):
    """One connection, used once."""

    async def open(self, connect: Envelope) -> None:
        """Returns when ``connect`` is on its way; the answer is received. Raises OpenFailed or Refused."""

    async def receive(self) -> list[Envelope]:
        """What came; empty for a sign of life. Raises ConnectionEnded when nothing will come any more."""

    async def send(self, requests: list[Envelope]) -> None:
        """In their order. Raises ConnectionEnded."""

    async def close(self) -> None:
        """At any time, from any state, more than once."""


class OpenFailed(Exception):
    """No connection: ``is_final`` if the same request would fail again, ``is_unreachable`` if nobody is at that address."""

    def __init__(self, error: SluicegateError, is_final: bool = False, is_unreachable: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.is_final = is_final
        self.is_unreachable = is_unreachable


class Refused(Exception):
    """The broker answered ``connect`` with this error."""

    def __init__(self, error: Envelope) -> None:
        super().__init__(error)
        self.error = error


class ConnectionEnded(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def refused_with(status: int, headers: Mapping[str, str], url: str, text: str = "") -> OpenFailed:
    """An HTTP status in place of a connection."""
    is_final = 400 <= status < 500 and status not in _LATER
    error = SluicegateError(
        0,
        f"http_{status}",
        f"{url} answered {status}{': ' if text else ''}{text.strip()[:200]}",
        retry=not is_final,
        retry_after_ms=retry_after_ms(headers),
    )
    return OpenFailed(error, is_final=is_final)


def failed_to_connect(url: str, cause: BaseException) -> OpenFailed:
    """No connection, or one that ended before it said anything."""
    is_certificate = isinstance(cause, ssl.SSLCertVerificationError) or isinstance(cause.__cause__, ssl.SSLCertVerificationError)
    is_unreachable = isinstance(cause, (OSError, httpx.ConnectError, httpx.ConnectTimeout))
    reason = "unreachable" if is_unreachable else "connection_failed"
    error = SluicegateError(0, reason, f"{url}: {cause or type(cause).__name__}", retry=not is_certificate)
    error.__cause__ = cause
    return OpenFailed(error, is_final=is_certificate, is_unreachable=is_unreachable)


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """Of the two forms of ``Retry-After`` the one that the broker uses: seconds."""
    text = headers.get("retry-after", "")
    return min(int(text), 3600) * 1000 if text.isascii() and text.isdigit() and len(text) < 10 else None
