"""JSON, strictly: no NaN, no infinities, and numbers beyond a double stay exact."""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal
from math import isinf
from typing import Any, NoReturn


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
            return json.loads(data, parse_float=_number, parse_constant=_no_number)
        except RecursionError as cause:
            raise ValueError("nested too deeply") from cause


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


def _number(text: str) -> float | Decimal:
    number = float(text)
    return Decimal(text) if isinf(number) else number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
