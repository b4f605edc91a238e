"""Posts of SSE and long-poll against answers that a test writes, as docs/PROTOCOL.md has them: lost, late, refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from sluicegate.codec import JsonCodec, codec
from sluicegate.transports import poll, sse, upstream
from sluicegate.transports.interface import ConnectionEnded, OpenFailed, Refused
from sluicegate.transports.poll import Poll
from sluicegate.transports.sse import Sse

pytestmark = pytest.mark.anyio
Answer = httpx.Response | Exception
CONNECT = {"type": "connect", "id": 1, "payload": {"version": 1, "token": " t\n"}}
ACK = {"type": "ack", "id": 1, "payload": {"session": "s", "session_key": "k", "ping_ms": 2000}}
LOST = httpx.ReadError("the answer is lost")


class Server:
    """Answers requests one after the other from a list, and keeps them."""

    def __init__(self, *answers: Answer | Callable[[], Awaitable[Answer]]) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if callable(answer):
            answer = await answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content or "null") for request in self.requests]


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between tries; nobody does in tests."""
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)
    return waits


def use(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    for module in (poll, sse):
        monkeypatch.setattr(module, "http_client", lambda: httpx.AsyncClient(transport=httpx.MockTransport(server)))


def ok(value: Any) -> httpx.Response:
    return httpx.Response(200, json=value)


def told(seq: int, *envelopes: Any) -> httpx.Response:
    return ok({"session": "s.k", "seq": seq, "envelopes": list(envelopes)})


def stream(*pieces: str) -> httpx.Response:
    async def content() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece.encode()
        await asyncio.Event().wait()

    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=content())


def event(kind: str, value: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n"


async def test_a_lost_answer_is_asked_for_again_with_the_same_words() -> None:
    server = Server(LOST, httpx.ConnectTimeout("x"), ok([1]))
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
        assert await upstream.post(client, "http://host/send", JsonCodec(), [1], {"sluicegate-batch": "7"}, 5.0) == [1]
    assert len({(request.content, request.headers["sluicegate-batch"]) for request in server.requests}) == 1
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "headers", "waited"),
    [
        (429, {"retry-after": "3"}, 3.0),
        (503, {"retry-after": "2"}, 2.0),
        (503, {"retry-after": "900"}, 5.0),
        (502, {}, 0.2),
        (408, {}, 0.2),
    ],
)
async def test_what_may_be_said_again_is(status: int, headers: dict[str, str], waited: float, no_waits: list[float]) -> None:
    server = Server(httpx.Response(status, headers=headers), ok([]))
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
        assert await upstream.post(client, "http://host/send", JsonCodec(), [], {}, 5.0) == []
    assert no_waits == [waited]


@pytest.mark.parametrize(("status", "reason"), [(410, "session_gone"), (401, "http_401"), (400, "http_400"), (413, "http_413")])
async def test_what_may_not_be_said_again_ends_the_session(status: int, reason: str) -> None:
    server = Server(httpx.Response(status))
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
        with pytest.raises(ConnectionEnded) as raised:
            await upstream.post(client, "http://host/send", JsonCodec(), [], {}, 5.0)
    assert (raised.value.code, raised.value.reason) == (1006, reason)


async def test_it_is_not_said_for_ever() -> None:
    server = Server(*[LOST] * 100)
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
        with pytest.raises(ConnectionEnded) as raised:
            await upstream.post(client, "http://host/send", JsonCodec(), [], {}, 5.0)
    assert raised.value.reason == "no_answer"
    assert len(server.requests) == 6


async def test_an_answer_that_is_no_json_ends_the_session() -> None:
    server = Server(httpx.Response(200, text="<html>"))
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
        with pytest.raises(ConnectionEnded) as raised:
            await upstream.post(client, "http://host/send", JsonCodec(), [], {}, 5.0)
    assert raised.value.reason == "bad_answer"


def test_posts_are_bounded_in_requests_and_bytes() -> None:
    parts = upstream.pieces(list(range(200)), JsonCodec())
    assert [len(part) for part in parts] == [64, 64, 64, 8]
    assert [item for part in parts for item in part] == list(range(200))
    assert [len(part) for part in upstream.pieces(["x" * 20_000] * 5, JsonCodec())] == [2, 2, 1]
    assert len(upstream.pieces(["x" * 60_000, "y"], JsonCodec())) == 2


async def test_polls_say_what_they_have_and_posts_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(told(1, ACK), told(2, {"id": 2}), told(3, {"id": 3}))
    use(monkeypatch, server)
    client = Poll("http://host/poll", JsonCodec())
    await client.open(CONNECT)
    assert await client.receive() == [ACK]
    await client.send([{"type": "ping", "id": 2}])
    assert await client.receive() == [{"id": 2}]
    assert await client.receive() == [{"id": 3}]
    await client.close()
    first, second, third = server.bodies
    assert len(first.pop("open")) >= 16
    assert first == {"batch": 1, "wait_ms": 25_000, "requests": [CONNECT]}
    assert second == {"session": "s.k", "ack": 1, "wait_ms": 2000, "batch": 2, "requests": [{"type": "ping", "id": 2}]}
    assert third == {"session": "s.k", "ack": 2, "wait_ms": 2000, "requests": []}


async def test_a_first_post_whose_answer_is_lost_begins_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(LOST, told(1, ACK))
    use(monkeypatch, server)
    client = Poll("http://host/poll", JsonCodec())
    await client.open(CONNECT)
    assert await client.receive() == [ACK]
    await client.close()
    assert server.bodies[0] == server.bodies[1], "with the same `open`, by which the broker knows it again"


async def test_a_broker_without_messagepack_is_spoken_to_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (400, 415):
        server = Server(httpx.Response(status), told(1, ACK), told(2))
        use(monkeypatch, server)
        client = Poll("http://host/poll", codec("msgpack"))
        await client.open(CONNECT)
        assert await client.receive() == [ACK]
        assert await client.receive() == []
        await client.close()
        kinds = [request.headers["content-type"] for request in server.requests]
        assert kinds == ["application/vnd.sluicegate.v1+msgpack", "application/json", "application/json"]


async def test_an_answer_that_comes_again_is_not_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Server(told(1, ACK), told(1, ACK), told(1), told(2, {"id": 2})))
    client = Poll("http://host/poll", JsonCodec())
    await client.open(CONNECT)
    assert [await client.receive() for _ in range(4)] == [[ACK], [], [], [{"id": 2}]]
    await client.close()


async def test_a_poll_gives_way_to_requests_without_losing_what_it_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits() -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    server = Server(told(1, ACK), waits, told(2, {"id": "missed"}), told(3, {"id": 5}))
    use(monkeypatch, server)
    client = Poll("http://host/poll", JsonCodec())
    await client.open(CONNECT)
    await client.receive()
    waiting = asyncio.ensure_future(client.receive())
    while len(server.requests) < 2:
        await asyncio.wait({waiting}, timeout=0)
    await client.send([{"type": "ping", "id": 5}])
    assert await waiting == []
    assert await client.receive() == [{"id": "missed"}]
    assert [body["ack"] for body in server.bodies[1:]] == [1, 1]
    assert await client.receive() == [{"id": 5}]
    await client.close()


async def test_after_a_disconnect_nothing_is_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    goodbye = {"type": "disconnect", "payload": {"code": 4000, "reason": "shutting_down"}}
    server = Server(told(1, ACK), told(2, goodbye))
    use(monkeypatch, server)
    client = Poll("http://host/poll", JsonCodec())
    await client.open(CONNECT)
    assert [await client.receive(), await client.receive()] == [[ACK], [goodbye]]
    with pytest.raises(ConnectionEnded):
        await client.receive()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "reason", "is_final", "is_unreachable"),
    [
        (httpx.Response(404, text="no such tenant"), "http_404", True, False),
        (httpx.Response(403), "http_403", True, False),
        (httpx.Response(503, headers={"retry-after": "4"}), "http_503", False, False),
        (httpx.Response(200, text="<html>sign in</html>"), "http_502", False, False),
        (httpx.ConnectError("refused"), "unreachable", False, True),
        (httpx.RemoteProtocolError("cut"), "connection_failed", False, False),
    ],
)
async def test_no_poll_and_no_stream(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, reason: str, is_final: bool, is_unreachable: bool
) -> None:
    for make in (lambda: Poll("http://host/poll", JsonCodec()), lambda: Sse("http://host/sse")):
        use(monkeypatch, Server(answer, answer))
        client = make()
        with pytest.raises(OpenFailed) as raised:
            await client.open(CONNECT)
        failed = raised.value
        if isinstance(client, Sse) and reason == "http_502":
            reason = "http_200"
        assert (failed.error.reason, failed.is_final, failed.is_unreachable) == (reason, is_final, is_unreachable)
        assert failed.error.retry_after_ms == (4000 if reason == "http_503" else None)
        await client.close()


async def test_a_stream_is_opened_with_the_token_and_posts_go_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    message = {"type": "message", "id": "m", "channel": "c", "payload": 1}
    pieces = ["retry: 2000\n\n", event("ack", ACK)[:20], event("ack", ACK)[20:] + ": alive\n\n", event("message", message)]
    server = Server(stream(*pieces), LOST, ok([{"type": "ack", "id": 2, "payload": {}}]))
    use(monkeypatch, server)
    client = Sse("http://host/t/acme/sse")
    await client.open(CONNECT)
    got: list[Any] = []
    while len(got) < 2:
        got += await client.receive()
    assert got == [ACK, message]
    await client.send([{"type": "ping", "id": 2}])
    assert await client.receive() == [{"type": "ack", "id": 2, "payload": {}}]
    await client.close()
    opened, *posts = server.requests
    assert (str(opened.url), opened.headers["authorization"]) == ("http://host/t/acme/sse", "Bearer t")
    for post in posts:
        assert str(post.url) == "http://host/t/acme/send"
        assert (post.headers["sluicegate-session"], post.headers["sluicegate-batch"]) == ("s.k", "1")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401, text="no token"), {"code": 4401, "reason": "not_authenticated"}),
        (httpx.Response(403, json={"type": "error", "payload": {"code": 4503, "reason": "plugin_fault"}}), {"code": 4503}),
    ],
)
async def test_a_refused_stream_is_the_answer_to_connect(monkeypatch: pytest.MonkeyPatch, answer: Answer, error: dict[str, Any]) -> None:
    use(monkeypatch, Server(answer))
    client = Sse("http://host/sse")
    with pytest.raises(Refused) as raised:
        await client.open(CONNECT)
    assert error.items() <= raised.value.error.items()


async def test_a_refusal_that_may_come_back_brings_the_servers_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = {"type": "error", "payload": {"code": 4429, "reason": "rate_limited", "retry": True}}
    use(monkeypatch, Server(stream("retry: 1500\n", event("refused", refusal))))
    client = Sse("http://host/sse")
    await client.open(CONNECT)
    # The wish comes in a piece of its own.
    await client.receive()
    with pytest.raises(Refused) as raised:
        await client.receive()
    assert raised.value.error == {"code": 4429, "reason": "rate_limited", "retry": True, "retry_after_ms": 1500}
    await client.close()


async def test_a_stream_whose_session_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Server(stream(event("ack", ACK)), httpx.Response(410)))
    client = Sse("http://host/sse")
    await client.open(CONNECT)
    assert await client.receive() == [ACK]
    await client.send([{"type": "ping", "id": 2}])
    with pytest.raises(ConnectionEnded) as raised:
        await client.receive()
    assert raised.value.reason == "session_gone"
    await client.close()


async def test_one_request_that_is_too_large_costs_neither_the_others_nor_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = [[{"type": "ack", "id": 2, "payload": {}}], [{"type": "ack", "id": 4, "payload": {}}]]
    too_large = httpx.Response(413)
    server = Server(stream(event("ack", ACK)), too_large, ok(replies[0]), too_large, ok(replies[1]))
    use(monkeypatch, server)
    client = Sse("http://host/sse")
    await client.open(CONNECT)
    await client.receive()
    await client.send([{"type": "publish", "id": number} for number in (2, 3, 4)])
    got = [(await client.receive())[0] for _ in range(3)]
    assert [reply["id"] for reply in got] == [2, 3, 4]
    assert [reply["payload"].get("code") for reply in got] == [None, 4413, None]
    numbers = [request.headers["sluicegate-batch"] for request in server.requests[1:]]
    assert numbers == ["1", "1", "2", "2"], "what was not read has no number"
    await client.close()


def answered(id: int, code: int = 0, **fields: Any) -> dict[str, Any]:
    kind, payload = ("error", {"code": code, "reason": "limit_exceeded", **fields}) if code else ("ack", {})
    return {"type": kind, "id": id, "payload": payload}


@pytest.mark.parametrize(
    ("what", "answers", "posts", "codes"),
    [
        (
            "there was no room for their replies",
            [[answered(2), answered(3), answered(4, 4430), answered(5, 4430)], [answered(4), answered(5, 4430)], [answered(5)]],
            [[2, 3, 4, 5], [4, 5], [5]],
            [None, None, None, None],
        ),
        (
            "a limit is reached",
            [[answered(2), answered(3), answered(4, 4430), answered(5, 4430)], [answered(4, 4430), answered(5, 4430)]],
            [[2, 3, 4, 5], [4, 5]],
            [None, None, 4430, 4430],
        ),
        (
            "a plugin's limit is reached",
            [[answered(2), answered(3, 4430, plugin="p"), answered(4), answered(5)]],
            [[2, 3, 4, 5]],
            [None, 4430, None, None],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_requests_whose_replies_had_no_room_are_posted_again(
    monkeypatch: pytest.MonkeyPatch, what: str, answers: list[Any], posts: list[list[int]], codes: list[int | None]
) -> None:
    server = Server(stream(event("ack", ACK)), *map(ok, answers))
    use(monkeypatch, server)
    client = Sse("http://host/sse")
    await client.open(CONNECT)
    await client.receive()
    await client.send([{"type": "subscribe", "id": number} for number in (2, 3, 4, 5)])
    got: list[Any] = []
    while len(got) < 4:
        got += await client.receive()
    assert [reply["id"] for reply in got] == [2, 3, 4, 5]
    assert [reply["payload"].get("code") for reply in got] == codes
    assert [[request["id"] for request in body] for body in server.bodies[1:]] == posts
    await client.close()


@pytest.mark.parametrize(
    ("url", "posts_to"),
    [
        ("http://host/sse", "http://host/send"),
        ("https://host:8443/t/acme/sse?edge=1", "https://host:8443/t/acme/send?edge=1"),
        ("http://host/live/events", "http://host/live/send"),
    ],
)
async def test_posts_go_beside_the_stream(monkeypatch: pytest.MonkeyPatch, url: str, posts_to: str) -> None:
    server = Server(stream(event("ack", ACK)), ok([answered(2)]))
    use(monkeypatch, server)
    client = Sse(url)
    await client.open(CONNECT)
    await client.receive()
    await client.send([{"type": "ping", "id": 2}])
    assert [str(request.url) for request in server.requests] == [url, posts_to]
    await client.close()
