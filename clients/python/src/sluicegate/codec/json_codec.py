"""JSON, strictly: no NaN, no infinities, and numbers beyond a double stay exact."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any, NoReturn

from .nesting import Nesting
from .numbers import fraction, integer

# Brackets, texts, and everything else; commas and colons say nothing that the places do not.
_WORD = re.compile(r'[\[\]{}]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s\[\]{}:,"]+')


class JsonCodec:
    subprotocol = "sluicegate.v1.json"
    content_type = "application/json"

    def encode(self, value: Any) -> str:
        shaped = [_with_base64(item) for item in value] if isinstance(value, list) else _with_base64(value)
        text = json.dumps(shaped, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode()  # Half a surrogate pair is no UTF-8, and is refused here rather than by the socket.
        return text

    def decode(self, data: str | bytes) -> Any:
        try:
            return json.loads(data, parse_float=fraction, parse_constant=_no_number)
        except (ValueError, RecursionError):
            # It may be no fault: see `numbers` and `nesting`. To look at every integer would make all reading slower.
            return _slowly(data if isinstance(data, str) else data.decode())


def _slowly(text: str) -> Any:
    try:
        return _read(text)
    except RecursionError:
        return _nested(text)


def _read(text: str) -> Any:
    return json.loads(text, parse_int=integer, parse_float=fraction, parse_constant=_no_number)


def _nested(text: str) -> Any:
    """The broker's own, so it is JSON; what is none may be read as something else, but ends."""
    nesting = Nesting()
    for word in _WORD.findall(text):
        if word in "[{":
            nesting.open([] if word == "[" else {})
        elif word in "]}":
            nesting.close()
        else:
            nesting.add(_read(word))
    return nesting.whole()


def _with_base64(envelope: Any) -> Any:
    """Bytes are base64, with `encoding` beside them. A post's body is a map with a list of requests."""
    if not isinstance(envelope, dict):
        return envelope
    if isinstance(envelope.get("requests"), list):
        return {**envelope, "requests": [_with_base64(request) for request in envelope["requests"]]}
    payload = envelope.get("payload")
    if isinstance(payload, dict) and isinstance(payload.get("data"), (bytes, bytearray, memoryview)):
        text = b64encode(payload["data"]).decode()
        return {**envelope, "payload": {**payload, "data": text, "encoding": "base64"}}
    return envelope


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
