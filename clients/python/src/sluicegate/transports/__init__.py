"""The three ways to a broker, behind one interface: envelopes in, envelopes out. They know no channel and no state."""

from __future__ import annotations

from ..codec import Codec
from .interface import ConnectionEnded, OpenFailed, Refused, Transport
from .poll import Poll
from .sse import Sse
from .websocket import WebSocket

__all__ = ["ConnectionEnded", "OpenFailed", "Refused", "Transport", "transport"]


def transport(name: str, urls: dict[str, str], codec: Codec) -> Transport:
    if name == "websocket":
        return WebSocket(urls[name], codec)
    if name == "sse":
        return Sse(urls[name])
    return Poll(urls[name], codec)
