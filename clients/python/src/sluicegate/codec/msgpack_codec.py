"""MessagePack by the library `msgpack`. Numbers that fit nothing are texts of the extension type 1."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgpack

BIG_NUMBER = 1


class MsgpackCodec:
    subprotocol = "sluicegate.v1.msgpack"
    content_type = "application/vnd.sluicegate.v1+msgpack"

    def encode(self, value: Any) -> bytes:
        packed: bytes = msgpack.packb(value, default=_other)
        return packed

    def decode(self, data: str | bytes) -> Any:
        if isinstance(data, str):
            raise ValueError("text, where MessagePack was agreed on")
        try:
            return msgpack.unpackb(data, ext_hook=_extension, strict_map_key=True)
        except (msgpack.UnpackException, msgpack.StackError, RecursionError) as cause:
            raise ValueError(f"no MessagePack: {cause!r}") from cause


def _extension(kind: int, data: bytes) -> Any:
    if kind != BIG_NUMBER:
        raise ValueError(f"extension type {kind}")
    text = data.decode("ascii")
    try:
        return int(text) if text.lstrip("-").isdigit() else Decimal(text)
    except (InvalidOperation, ValueError) as cause:
        raise ValueError("a number of extension type 1 that is none") from cause


def _other(value: Any) -> Any:
    """What the library has no type for: integers beyond 64 bits come here too."""
    is_number = isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite())
    if is_number:
        return msgpack.ExtType(BIG_NUMBER, str(value).encode())
    raise TypeError(f"{type(value).__name__} is no value of MessagePack")
