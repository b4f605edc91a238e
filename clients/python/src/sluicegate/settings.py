"""What ``Client`` was given, checked. Nobody checks it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict
from urllib.parse import SplitResult, urlsplit, urlunsplit

from .codec import Codec, codec
from .errors import SluicegateError
from .machine import MachineOptions
from .machine.options import TransportTraits

TransportName = Literal["websocket", "sse", "poll"]
Format = Literal["json", "msgpack"]
GetToken = Callable[[Any], Awaitable[str] | str]
ALL_TRANSPORTS: tuple[TransportName, ...] = ("websocket", "sse", "poll")


class Reconnect(TypedDict, total=False):
    """The first ceiling of the random wait, and the last; it doubles from try to try."""

    base_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Settings:
    urls: dict[str, str]
    codec: Codec
    get_token: GetToken | None
    machine: MachineOptions


def check(
    url: str,
    token: str | None,
    get_token: GetToken | None,
    transports: Sequence[TransportName] | None,
    sse: str | None,
    poll: str | None,
    format: Format,
    name: str | None,
    version: str,
    data: Any,
    reconnect: Reconnect | None,
    timeout_ms: float,
    queue_bytes: int,
) -> Settings:
    urls = _urls(url, sse, poll)
    if transports is None:
        transports = [transport for transport in ALL_TRANSPORTS if transport in urls]
    if not transports:
        raise _bad("transports must name at least one")
    for transport in transports:
        if transport not in ALL_TRANSPORTS:
            raise _bad(f"there is no transport {transport!r}; there are {', '.join(ALL_TRANSPORTS)}")
        if transport not in urls:
            raise _bad(f"the transport {transport!r} needs its URL ({transport}=…), because {url!r} does not end in /ws")
    if token is not None and get_token is not None:
        raise _bad("token and get_token are two ways to say the same: give one")
    if token is not None and not isinstance(token, str):
        raise _bad(f"token must be a text, not {type(token).__name__}; a function is given as get_token")
    if get_token is not None and not callable(get_token):
        raise _bad("get_token must be a function")
    wait = reconnect or {}
    if unknown := set(wait) - Reconnect.__annotations__.keys():
        raise _bad(f"reconnect has base_ms and max_ms, not {', '.join(sorted(map(str, unknown)))}")
    base_ms, max_ms = wait.get("base_ms", 500.0), wait.get("max_ms", 20_000.0)
    if not (_is_positive(base_ms) and _is_positive(max_ms) and base_ms <= max_ms):
        raise _bad("reconnect must have 0 < base_ms <= max_ms")
    if not (_is_positive(timeout_ms) and _is_positive(queue_bytes)):
        raise _bad("timeout_ms and queue_bytes must be numbers of more than 0")
    used = codec(format)
    try:
        used.encode({"payload": {"data": data, "token": token, "client": [name, version]}})
    except (TypeError, ValueError) as cause:
        raise _bad(f"data, token, name and version go to the broker as {format}: {cause}") from cause
    options = MachineOptions(
        transports=tuple(_traits(transport, urls[transport]) for transport in transports),
        token=token,
        asks_for_tokens=get_token is not None,
        client=(name, version) if name else None,
        data=data,
        base_ms=base_ms,
        max_ms=max_ms,
        timeout_ms=timeout_ms,
        queue_bytes=queue_bytes,
    )
    return Settings(urls, used, get_token, options)


def _urls(url: str, sse: str | None, poll: str | None) -> dict[str, str]:
    parts = _parse(url, ("ws", "wss"))
    urls = {"websocket": url}
    if parts.path.endswith("/ws"):
        scheme = "https" if parts.scheme == "wss" else "http"
        base = parts.path.removesuffix("ws")
        for name in ("sse", "poll"):
            urls[name] = urlunsplit((scheme, parts.netloc, base + name, parts.query, ""))
    for name, given in (("sse", sse), ("poll", poll)):
        if given is not None:
            _parse(given, ("http", "https"))
            urls[name] = given
    return urls


def _parse(url: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError, TypeError):
        is_good = False
    if not is_good:
        raise SluicegateError(0, "bad_url", f"{url!r} is no URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return parts


def _traits(transport: str, url: str) -> TransportTraits:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
    is_websocket = transport == "websocket"
    return TransportTraits(transport, f"{parts.hostname}:{port}", subscribes_in_connect=transport != "sse", pings=is_websocket)


def _is_positive(number: object) -> bool:
    return isinstance(number, (int, float)) and number > 0


def _bad(text: str) -> SluicegateError:
    return SluicegateError(0, "bad_option", text)
