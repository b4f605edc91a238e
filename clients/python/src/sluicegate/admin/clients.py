"""The clients of the admin API. Their methods are the calls of ``calls``, sent at once, or awaited."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from ..errors import SluicegateError
from . import calls
from .call import Call

P = ParamSpec("P")
T = TypeVar("T")
# The broker answers within 5 s, a change at a disk that is slow within 7.
TIMEOUT_SECONDS = 10.0
API = "/api/v1"


class _Target:
    """Where the API is, and the key to it."""

    def __init__(self, base_url: str, key: str) -> None:
        base = base_url.rstrip("/").removesuffix(API)
        if not base.startswith(("http://", "https://")):
            raise SluicegateError(0, "bad_url", f"{base_url!r} is no URL that begins with http:// or https://")
        key = key.strip()
        if not (key and key.isascii() and key.isprintable()):
            # Said without the key, which an error of the HTTP client would show.
            raise SluicegateError(0, "bad_option", "key must be what `sluicegate admin-key` printed")
        self.url = base + API
        self.headers = {"authorization": f"Bearer {key}", "accept": "application/json"}


def _sent(make: Callable[P, Call[T]]) -> Callable[Concatenate[AdminClient, P], T]:
    def method(self: AdminClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(make(*args, **kwargs))

    _describe(method, make)
    return method


def _awaited(make: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncAdminClient, P], Awaitable[T]]:
    async def method(self: AsyncAdminClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(make(*args, **kwargs))

    _describe(method, make)
    return method


def _describe(method: Any, make: Callable[..., Any]) -> None:
    """Its signature for a reader: that of the call, with `self`, and with what the call answers."""
    functools.update_wrapper(method, make)
    signature = inspect.signature(make)
    answer = str(signature.return_annotation).removeprefix("Call[").removeprefix("answers.").removesuffix("]")
    self_parameter = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [self_parameter, *signature.parameters.values()]
    method.__signature__ = signature.replace(parameters=parameters, return_annotation=answer)


class AdminClient:
    """Calls the admin API, and waits for each answer.

    ``base_url`` is the admin listener's, as ``http://127.0.0.1:8081``; ``key``, what ``sluicegate admin-key`` printed. Every method
    raises AdminError for an answer other than 200, and SluicegateError where there is none. ``http`` may be given for proxies or client
    certificates.
    """

    def __init__(self, base_url: str, key: str, *, http: httpx.Client | None = None) -> None:
        self._target = _Target(base_url, key)
        self._http = http or httpx.Client(timeout=TIMEOUT_SECONDS)

    def send(self, call: Call[T]) -> T:
        """Sends a call of ``sluicegate.admin.calls``."""
        headers = {**self._target.headers, **call.headers}
        try:
            answer = self._http.request(call.method, self._target.url + call.path, params=call.query, content=call.content, headers=headers)
        except httpx.HTTPError as cause:
            raise _no_answer(call, cause) from cause
        return call.outcome(answer)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> AdminClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    publish = _sent(calls.publish)
    broadcast = _sent(calls.broadcast)
    count = _sent(calls.count)
    list_channels = _sent(calls.list_channels)
    list_connections = _sent(calls.list_connections)
    read_presence = _sent(calls.read_presence)
    read_history = _sent(calls.read_history)
    disconnect_user = _sent(calls.disconnect_user)
    disconnect_session = _sent(calls.disconnect_session)
    unsubscribe_user = _sent(calls.unsubscribe_user)
    ban_user = _sent(calls.ban_user)
    unban_user = _sent(calls.unban_user)
    ban_address = _sent(calls.ban_address)
    unban_address = _sent(calls.unban_address)
    list_bans = _sent(calls.list_bans)
    revoke_tokens = _sent(calls.revoke_tokens)
    list_revocations = _sent(calls.list_revocations)
    delete_revocation = _sent(calls.delete_revocation)
    read_tenant_config = _sent(calls.read_tenant_config)
    push_tenant_config = _sent(calls.push_tenant_config)
    delete_tenant_config = _sent(calls.delete_tenant_config)


class AsyncAdminClient:
    """AdminClient for asyncio: every method is awaited."""

    def __init__(self, base_url: str, key: str, *, http: httpx.AsyncClient | None = None) -> None:
        self._target = _Target(base_url, key)
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT_SECONDS)

    async def send(self, call: Call[T]) -> T:
        """Sends a call of ``sluicegate.admin.calls``."""
        headers = {**self._target.headers, **call.headers}
        try:
            answer = await self._http.request(
                call.method, self._target.url + call.path, params=call.query, content=call.content, headers=headers
            )
        except httpx.HTTPError as cause:
            raise _no_answer(call, cause) from cause
        return call.outcome(answer)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncAdminClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    publish = _awaited(calls.publish)
    broadcast = _awaited(calls.broadcast)
    count = _awaited(calls.count)
    list_channels = _awaited(calls.list_channels)
    list_connections = _awaited(calls.list_connections)
    read_presence = _awaited(calls.read_presence)
    read_history = _awaited(calls.read_history)
    disconnect_user = _awaited(calls.disconnect_user)
    disconnect_session = _awaited(calls.disconnect_session)
    unsubscribe_user = _awaited(calls.unsubscribe_user)
    ban_user = _awaited(calls.ban_user)
    unban_user = _awaited(calls.unban_user)
    ban_address = _awaited(calls.ban_address)
    unban_address = _awaited(calls.unban_address)
    list_bans = _awaited(calls.list_bans)
    revoke_tokens = _awaited(calls.revoke_tokens)
    list_revocations = _awaited(calls.list_revocations)
    delete_revocation = _awaited(calls.delete_revocation)
    read_tenant_config = _awaited(calls.read_tenant_config)
    push_tenant_config = _awaited(calls.push_tenant_config)
    delete_tenant_config = _awaited(calls.delete_tenant_config)


def _no_answer(call: Call[Any], cause: httpx.HTTPError) -> SluicegateError:
    is_timeout = isinstance(cause, httpx.TimeoutException) and not isinstance(cause, httpx.ConnectTimeout)
    reason = "timeout" if is_timeout else "unreachable"
    return SluicegateError(0, reason, f"{call.method} {call.path}: {cause or type(cause).__name__}", retry=True)
