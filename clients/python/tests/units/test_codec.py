"""Envelopes to bytes and back, in both formats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgpack
import pytest

from sluicegate.codec import codec
from sluicegate.errors import SluicegateError
from sluicegate.values import Message

FORMATS = ["json", "msgpack"]
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    -(2**63),
    2**64 - 1,
    1.5,
    -0.0,
    1e300,
    "",
    "räume \u2028 \U0001f600",
    [],
    [1, [2, [3]]],
    {},
    {"a": {"b": [None]}},
    10**30,
    -(10**30),
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were(name: str, value: Any) -> None:
    it = codec(name)
    back = it.decode(it.encode({"payload": {"data": value}}))["payload"]["data"]
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("value", [{1, 2}, object(), "\ud800", {"a": object()}], ids=["set", "object", "surrogate", "within"])
def test_what_has_no_words_is_refused(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        codec(name).encode({"payload": {"data": value}})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"deep"])
def test_what_json_has_no_words_for_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        codec("json").encode({"payload": {"data": {"deep": value}}})


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("json", b"{"),
        ("json", b'{"a":NaN}'),
        ("json", b"\xff"),
        ("json", b"[" * 200_000),
        ("json", b"[" * 100_000 + b"]" * 100_001),
        ("json", b'{"a":' * 100_000 + b"}" * 100_000),
        ("json", b"[" * 100_000 + b"NaN" + b"]" * 100_000),
        ("msgpack", "text"),
        ("msgpack", b""),
        ("msgpack", b"\x81"),
        ("msgpack", b"\xdd\xff\xff\xff\xff"),
        ("msgpack", b"\xdb\xff\xff\xff\xff"),
        ("msgpack", b"\xc6\xff\xff\xff\xff"),
        ("msgpack", b"\x91" * 100_000),
        ("msgpack", b"\x91" * 100_000 + b"\xc0\xc0"),
        ("msgpack", b"\x81" * 100_000 + b"\xc0"),
        ("msgpack", b"\xdd\xff\xff\xff\xff" * 10_000),
        ("msgpack", b"\x81\x01\x01"),
        ("msgpack", b"\xa1\xff"),
        ("msgpack", b"\xd4\x02a"),
        ("msgpack", b"\xc7\x03\x01abc"),
        ("msgpack", b"\xc7\x03\x01NaN"),
        ("msgpack", b"\xc0\xc0"),
    ],
)
def test_what_cannot_be_read_is_a_value_error(name: str, data: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        codec(name).decode(data)


def test_bytes_are_base64_in_json_and_bytes_in_messagepack() -> None:
    publish = {"type": "publish", "id": 1, "payload": {"channel": "c", "data": b"\x00\xff"}}
    as_json, as_msgpack = codec("json"), codec("msgpack")
    assert as_json.decode(as_json.encode(publish))["payload"] == {"channel": "c", "data": "AP8=", "encoding": "base64"}
    assert as_msgpack.decode(as_msgpack.encode(publish)) == publish
    for batch in ([publish], {"requests": [publish]}):
        back = as_json.decode(as_json.encode(batch))
        requests = back if isinstance(back, list) else back["requests"]
        assert requests[0]["payload"]["encoding"] == "base64"


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"payload": "AP8=", "encoding": "base64"}, b"\x00\xff"),
        ({"payload": b"\x00\xff"}, b"\x00\xff"),
        ({"payload": "AP8="}, "AP8="),
        ({"payload": "no base64!", "encoding": "base64"}, "no base64!"),
        ({"payload": 5, "encoding": "base64"}, 5),
    ],
)
def test_binary_messages_are_bytes(fields: dict[str, Any], data: Any) -> None:
    message = Message.read({"id": "m", **fields}, "c")
    assert message is not None
    assert message.data == data


def test_numbers_that_fit_nothing_are_texts_of_extension_type_1() -> None:
    it = codec("msgpack")
    packed = it.encode({"data": 10**30})
    assert msgpack.unpackb(packed)["data"] == msgpack.ExtType(1, b"1000000000000000000000000000000")
    assert it.decode(msgpack.packb(msgpack.ExtType(1, b"1e400"))) == Decimal("1e400")
    assert it.decode(it.encode(Decimal("1e400"))) == Decimal("1e400")
    assert codec("json").decode("[1e400]") == [Decimal("1e400")]


DEPTH = 5_000
NUMBERS = [
    ("9" * 5_000, Decimal("9" * 5_000)),
    ("-" + "9" * 5_000, Decimal("-" + "9" * 5_000)),
    ("1e99999999999999999999", float("inf")),
    ("-1e99999999999999999999", float("-inf")),
]


def nested(depth: int) -> Any:
    value: Any = {"a": [1, "]{", {}]}
    for number in range(depth):
        value = [value, []] if number % 2 else {"k": value, "\u00e4": 1.5}
    return value


def text_of(depth: int) -> str:
    """The same as JSON: what writes it for others has no room for this depth either."""
    text = r'{"a":[1,"]{",{}]}'
    for number in range(depth):
        text = f"[{text},[]]" if number % 2 else f'{{"k":{text}, "\\u00e4" : 1.5}}'
    return text


def packed_of(depth: int) -> bytes:
    packed: bytes = msgpack.packb({"a": [1, "]{", {}]})
    for number in range(depth):
        packed = b"\x92" + packed + b"\x90" if number % 2 else b"\x82\xa1k" + packed + msgpack.packb("\u00e4") + msgpack.packb(1.5)
    return packed


def same(one: Any, other: Any) -> bool:
    """Without recursion, which `==` has."""
    waiting = [(one, other)]
    while waiting:
        one, other = waiting.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, (list, dict)):
            if len(one) != len(other) or (isinstance(one, dict) and one.keys() != other.keys()):
                return False
            keys: Any = one if isinstance(one, dict) else range(len(one))
            waiting += [(one[key], other[key]) for key in keys]
        elif one != other:
            return False
    return True


def test_what_is_nested_more_deeply_than_libraries_read_is_read() -> None:
    assert same(nested(3), {"k": [{"k": {"a": [1, "]{", {}]}, "\u00e4": 1.5}, []], "\u00e4": 1.5})
    for depth in (3, DEPTH):
        assert same(codec("json").decode(text_of(depth)), nested(depth))
        assert same(codec("json").decode(text_of(depth).encode()), nested(depth))
        assert same(codec("msgpack").decode(packed_of(depth)), nested(depth))


@pytest.mark.parametrize(("text", "value"), NUMBERS, ids=["large", "small", "infinite", "negative"])
def test_no_number_is_too_large_to_be_read(text: str, value: Any) -> None:
    assert codec("json").decode(f'{{"data":[{text}]}}') == {"data": [value]}
    assert codec("msgpack").decode(msgpack.packb([msgpack.ExtType(1, text.encode())])) == [value]


def test_there_is_no_third_format() -> None:
    with pytest.raises(SluicegateError) as raised:
        codec("xml")
    assert raised.value.reason == "bad_option"
