"""What a close means. The tables are those of docs/PROTOCOL.md."""

from __future__ import annotations

from ..errors import SluicegateError

# A close that no code came with: the network's, or the client's own judgement.
LOST = 1006
TOKEN_EXPIRED = 4004
NO_HEARTBEAT = 4408
NOT_AUTHENTICATED = 4502
TOO_LARGE = 1009
# Standard codes after which the same connection would end in the same way.
_FINAL = frozenset({1002, 1007, 1008, TOO_LARGE})
_AUTHENTICATION = frozenset({4401, 4410})
_AFTER_REFUSED_CONNECT: dict[int, int] = {4401: 4502, 4410: 4502, 4400: 4500, 4430: 4506, 4451: 4505, 4503: 4003, 4504: 4003, 4429: 4003}


def is_final(code: int) -> bool:
    return code in _FINAL or 4500 <= code <= 4899


def wants_token(error: SluicegateError) -> bool:
    return error.code in _AUTHENTICATION


def before_accepted(code: int, reason: str) -> SluicegateError:
    """What stood in the way of a connection that ended so before the answer to ``connect``."""
    text = f"the connection ended with {code} {reason} before the broker accepted it"
    if code == LOST:
        return SluicegateError(0, "connection_failed", text, retry=True)
    return SluicegateError(code, reason, text, retry=not is_final(code))


def after_refused_connect(error: SluicegateError) -> int:
    """The code that the broker closes with after this answer to ``connect``."""
    if 4300 <= error.code <= 4399 or 4800 <= error.code <= 4899:
        return error.code
    return _AFTER_REFUSED_CONNECT.get(error.code, 4503)
