"""Envelopes as JSON or MessagePack. A codec knows no envelope's meaning but where bytes may be: in a publish's ``data``."""

from __future__ import annotations

from typing import Any, Protocol

from ..errors import SluicegateError
from .json_codec import JsonCodec

__all__ = ["Codec", "JsonCodec", "codec"]


class Codec(Protocol):
    """``decode`` raises ValueError for what cannot be read, ``encode`` ValueError or TypeError for what cannot be written."""

    subprotocol: str
    content_type: str

    def encode(self, value: Any) -> str | bytes: ...

    def decode(self, data: str | bytes) -> Any: ...


def codec(name: str) -> Codec:
    if name == "json":
        return JsonCodec()
    if name != "msgpack":
        raise SluicegateError(0, "bad_option", f'format must be "json" or "msgpack", not {name!r}')
    try:
        from .msgpack_codec import MsgpackCodec
    except ImportError as cause:
        text = "format=\"msgpack\" needs the package msgpack: pip install 'sluicegate[msgpack]'"
        raise SluicegateError(0, "bad_option", text) from cause
    return MsgpackCodec()
