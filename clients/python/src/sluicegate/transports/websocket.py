"""WebSocket: one envelope is one message, in both directions."""

from __future__ import annotations

from collections.abc import Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from ..codec import Codec, JsonCodec
from ..errors import SluicegateError
from ..values import Envelope
from .interface import RECEIVE_BYTES, ConnectionEnded, OpenFailed, failed_to_connect, refused_with

LOST = 1006
# For the closing handshake, in seconds; then the socket is closed all the same.
CLOSE_SECONDS = 1.0


class WebSocket:
    def __init__(self, url: str, codec: Codec) -> None:
        self._url = url
        self._codec = codec
        self._socket: ClientConnection | None = None

    async def open(self, connect_envelope: Envelope) -> None:
        names = dict.fromkeys([self._codec.subprotocol, JsonCodec.subprotocol])
        offered: Sequence[Subprotocol] = [Subprotocol(name) for name in names]
        try:
            # Its times are the machine's to keep, so the library has none of its own.
            self._socket = await connect(
                self._url,
                subprotocols=offered,
                open_timeout=None,
                ping_interval=None,
                close_timeout=CLOSE_SECONDS,
                max_size=RECEIVE_BYTES,
            )
        except InvalidStatus as refused:
            response = refused.response
            text = bytes(response.body or b"").decode(errors="replace")
            raise refused_with(response.status_code, response.headers, self._url, text) from refused
        except InvalidURI as cause:
            raise OpenFailed(SluicegateError(0, "bad_url", str(cause)), is_final=True) from cause
        except (InvalidHandshake, EOFError, OSError) as cause:
            raise failed_to_connect(self._url, cause) from cause
        if self._socket.subprotocol != self._codec.subprotocol:
            # The broker does not know the format that was wished for.
            self._codec = JsonCodec()
        await self.send([connect_envelope])

    async def receive(self) -> list[Envelope]:
        socket = self._opened()
        try:
            envelope = self._codec.decode(await socket.recv())
        except ConnectionClosed as cause:
            raise _ended(cause) from cause
        except ValueError as cause:
            raise ConnectionEnded(LOST, "bad_answer") from cause
        return [envelope] if isinstance(envelope, dict) else []

    async def send(self, requests: list[Envelope]) -> None:
        socket = self._opened()
        try:
            for request in requests:
                await socket.send(self._codec.encode(request))
        except ConnectionClosed as cause:
            raise _ended(cause) from cause

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    def _opened(self) -> ClientConnection:
        if self._socket is None:
            raise ConnectionEnded(LOST, "not_open")
        return self._socket


def _ended(cause: ConnectionClosed) -> ConnectionEnded:
    if cause.rcvd is None:
        return ConnectionEnded(LOST, "connection_lost")
    return ConnectionEnded(cause.rcvd.code, cause.rcvd.reason)
