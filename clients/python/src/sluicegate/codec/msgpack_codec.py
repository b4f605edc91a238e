"""MessagePack by the library `msgpack`. Numbers that fit nothing are texts of the extension type 1."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgpack

from .nesting import Nesting
from .numbers import exact, integer

BIG_NUMBER = 1
_NIL = 0xC0
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


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
        except (msgpack.StackError, RecursionError):
            return _nested(data)
        except msgpack.UnpackException as cause:
            raise ValueError(f"no MessagePack: {cause!r}") from cause


def _nested(data: bytes) -> Any:
    unpacker = msgpack.Unpacker(ext_hook=_extension, max_buffer_size=len(data))
    unpacker.feed(data)
    nesting = Nesting()
    # Values that are still to come, at each depth: of a map its keys too.
    left = [1]
    try:
        while left:
            if left[-1] == 0:
                left.pop()
                if left:
                    nesting.close()
                continue
            left[-1] -= 1
            at = unpacker.tell()
            kind = data[at] if at < len(data) else _NIL
            if kind & 0xF0 == 0x90 or kind in (0xDC, 0xDD):
                nesting.open([])
                left.append(unpacker.read_array_header())
            elif kind & 0xF0 == 0x80 or kind in (0xDE, 0xDF):
                nesting.open({})
                left.append(2 * unpacker.read_map_header())
            else:
                nesting.add(unpacker.unpack())
    except msgpack.UnpackException as cause:
        raise ValueError(f"no MessagePack: {cause!r}") from cause
    if unpacker.tell() != len(data):
        raise ValueError("no MessagePack: bytes after the value")
    return nesting.whole()


def _extension(kind: int, data: bytes) -> Any:
    if kind != BIG_NUMBER:
        raise ValueError(f"extension type {kind}")
    text = data.decode("ascii")
    if not _NUMBER.fullmatch(text):
        raise ValueError("a number of extension type 1 that is none")
    return integer(text) if text.lstrip("-").isdigit() else exact(text)


def _other(value: Any) -> Any:
    """What the library has no type for: integers beyond 64 bits come here too."""
    is_number = isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite())
    if is_number:
        return msgpack.ExtType(BIG_NUMBER, str(value).encode())
    raise TypeError(f"{type(value).__name__} is no value of MessagePack")
