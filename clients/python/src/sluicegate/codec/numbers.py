"""Numbers of JSON that fit neither 64 bits nor a double. Whoever publishes chooses them, so none may be an error to who reads."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from math import isinf


def integer(text: str) -> int | Decimal:
    """Python reads no integer of over 4,300 digits unless told to (https://docs.python.org/3/library/stdtypes.html#int-max-str-digits)."""
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def fraction(text: str) -> float | Decimal:
    """The double; beyond the doubles the exact Decimal; beyond those an infinity."""
    number = float(text)
    return exact(text) if isinf(number) else number


def exact(text: str) -> float | Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return float(text)
