"""From the first try to the last: states, waits, transports, closes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sluicegate.errors import SluicegateError
from sluicegate.machine import Close, Complain, Open, Report
from support.scene import FORBIDDEN, POLL, SSE, UNREACHABLE, WEBSOCKET, Scene

ALL = (WEBSOCKET, SSE, POLL)


def test_a_connection_is_told_when_the_broker_accepts_it() -> None:
    scene = Scene(client=("docs", "1"), data={"a": 1}, token="t").connect()
    assert scene.outcome("connect") is None
    assert scene.last(Open).connect["payload"] == {
        "version": 1,
        "token": "t",
        "client": {"name": "docs", "version": "1"},
        "data": {"a": 1},
    }
    scene.acked()
    assert scene.outcome("connect") == "done"
    assert scene.states() == ["connecting", "connected"]
    assert scene.machine.session == "s1"


@pytest.mark.parametrize("code", [4000, 4001, 4002, 4003, 4005, 4300, 4399, 4408, 1000, 1001, 1006, 1011, 3000])
def test_a_close_that_may_come_back_does(code: int) -> None:
    scene = Scene().connected().lost(code, "why")
    change = scene.last(Report).change
    assert (change.state, change.code, change.reason) == ("disconnected", code, "why")
    assert change.retry_in_ms is not None
    assert change.retry_in_ms <= 500
    scene.pass_ms(change.retry_in_ms + 1).acked()
    assert scene.states()[-2:] == ["connecting", "connected"]


@pytest.mark.parametrize("code", [4500, 4501, 4502, 4503, 4504, 4505, 4506, 4507, 4800, 4899, 1002, 1007, 1008, 1009])
def test_a_close_that_may_not_come_back_ends_the_client_and_all_that_waits(code: int) -> None:
    scene = Scene().connected().subscribe("room").publish("room", "p").lost(code, "why")
    scene.machine.members(scene.now, "late", "room")
    for handle in ("subscribe", "p", "late"):
        error = scene.outcome(handle)
        assert isinstance(error, SluicegateError)
        assert (error.code, error.reason) == (code, "why")
    change = scene.last(Report).change
    assert (change.state, change.code, change.retry_in_ms) == ("disconnected", code, None)
    scene.forget().pass_ms(1_000_000)
    assert scene.all(Report) == []


def test_the_wait_doubles_is_random_from_nothing_and_has_a_ceiling() -> None:
    waits: dict[int, list[float]] = {number: [] for number in range(10)}
    for seed in range(200):
        scene = Scene(seed=seed, base_ms=100, max_ms=1000).connect()
        for number in range(10):
            scene.open_fails()
            waits[number].append(float(scene.last(Report).change.retry_in_ms or 0))
            opened = len(scene.all(Open))
            scene.until(lambda scene=scene, opened=opened: len(scene.all(Open)) > opened)  # type: ignore[misc]
    for number, ceiling in enumerate([100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 1000]):
        assert max(waits[number]) <= ceiling
        assert max(waits[number]) > ceiling * 0.9
        assert min(waits[number]) < ceiling * 0.1


def test_what_the_server_wishes_is_the_least() -> None:
    scene = Scene().connected()
    scene.receive("disconnect", None, {"code": 4000, "reason": "shutting_down", "reconnect": True, "retry_after_ms": 8000})
    scene.lost(4000, "shutting_down")
    assert scene.last(Report).change.retry_in_ms == 8000
    scene.forget().pass_ms(7999)
    assert len(scene.all(Open)) == 1
    scene.pass_ms(2)
    assert len(scene.all(Open)) == 2


def test_a_disconnect_push_counts_where_the_close_frame_is_lost() -> None:
    scene = Scene().connected().receive("disconnect", None, {"code": 4505, "reason": "banned", "reconnect": False}).lost(1006)
    assert scene.last(Report).change.code == 4505


@pytest.mark.parametrize(
    ("error", "close", "comes_back"),
    [
        (4401, 4502, False),
        (4410, 4502, False),
        (4400, 4500, False),
        (4430, 4506, False),
        (4451, 4505, False),
        (4503, 4003, True),
        (4504, 4003, True),
        (4429, 4003, True),
        (4312, 4312, True),
        (4812, 4812, False),
        (4403, 4503, False),
        (4666, 4503, False),
    ],
)
def test_a_refused_connect_is_what_its_close_will_be(error: int, close: int, comes_back: bool) -> None:
    scene = Scene().connect()
    scene.receive("error", 1, {"code": error, "reason": "r", "message": "m", "retry": False, "plugin": "authorize"})
    change = scene.last(Report).change
    assert (change.code, change.retry_in_ms is not None) == (close, comes_back)
    outcome = scene.outcome("connect")
    if comes_back:
        assert outcome is None
    else:
        assert (outcome.code, outcome.plugin) == (error, "authorize")


def test_a_refusal_that_says_when_is_heeded() -> None:
    scene = Scene().connect()
    scene.receive("error", 1, {"code": 4429, "reason": "rate_limited", "message": "", "retry": True, "retry_after_ms": 7000})
    assert scene.last(Report).change.retry_in_ms == 7000


def test_transports_are_tried_in_their_order_and_the_first_that_works_comes_first() -> None:
    scene = Scene(ALL).connect().open_fails(FORBIDDEN).open_fails(FORBIDDEN)
    assert [opened.transport for opened in scene.all(Open)] == ["websocket", "sse", "poll"]
    scene.acked().lost().forget()
    for number in range(2, 6):
        scene.until(lambda number=number: len(scene.all(Open)) == number)  # type: ignore[misc]
        scene.open_fails(FORBIDDEN)
    tried = [opened.transport for opened in scene.all(Open)[1:]]
    assert tried == ["poll", "poll", "poll", "poll", "websocket"], "a broker that restarts, and then what may have ceased to work"
    scene.acked().lost().forget()
    scene.until(lambda: len(scene.all(Open)) == 2)
    assert scene.last(Open).transport == "websocket"


def test_who_is_unreachable_is_so_by_every_transport_to_the_same_place() -> None:
    scene = Scene(ALL).connect().open_fails(UNREACHABLE)
    assert [opened.transport for opened in scene.all(Open)] == ["websocket", "poll"]


def test_a_server_that_says_later_is_not_asked_by_another_way() -> None:
    scene = Scene(ALL).connect().open_fails(SluicegateError(0, "http_503", "", True, 3000))
    assert len(scene.all(Open)) == 1
    assert scene.last(Report).change.retry_in_ms == 3000


def test_silence_after_opening_goes_on_to_the_next_transport() -> None:
    scene = Scene(ALL, timeout_ms=1000).connect().pass_ms(1001)
    assert [opened.transport for opened in scene.all(Open)] == ["websocket", "sse"]
    assert [closed.attempt for closed in scene.all(Close)] == [scene.all(Open)[0].attempt]
    scene.lost()
    assert scene.last(Open).transport == "poll"


def test_connect_fails_when_it_lasts_and_the_client_goes_on_trying() -> None:
    scene = Scene(timeout_ms=1000).connect()
    while scene.outcome("connect") is None:
        scene.open_fails().pass_ms(300)
    assert scene.outcome("connect").reason == "unreachable"
    assert 1000 <= scene.now <= 1300
    scene.until(lambda: scene.machine._phase == "opening")
    scene.acked()
    assert scene.states()[-1] == "connected"


def test_connect_fails_at_once_where_a_retry_would_not_help() -> None:
    scene = Scene().connect().open_fails(SluicegateError(0, "http_404", "no such tenant"), is_final=True)
    assert scene.outcome("connect").reason == "http_404"
    assert scene.last(Complain).error.reason == "http_404"


def test_who_knows_that_the_network_is_back_need_not_wait() -> None:
    def told(scene: Scene) -> None:
        scene.machine.try_now(scene.now)

    def asked(scene: Scene) -> None:
        scene.connect(f"at {scene.now}")

    for how in (told, asked):
        scene = Scene(base_ms=20_000, seed=2).connected().lost()
        assert (scene.last(Report).change.retry_in_ms or 0) > 1000
        how(scene)
        scene.pass_ms(0)
        assert len(scene.all(Open)) == 2
        scene.acked().receive("disconnect", None, {"code": 4000, "reason": "r", "retry_after_ms": 500}).lost(4000)
        how(scene)
        scene.pass_ms(499)
        assert len(scene.all(Open)) == 2, "what the broker asked for is the least all the same"
        scene.pass_ms(1)
        assert len(scene.all(Open)) == 3


def test_disconnect_settles_everything_and_connect_begins_again() -> None:
    scene = Scene().connected().subscribe("room")
    scene.reply(scene.sent("subscribe")[0], {"channel": "room"}).publish("room", "p")
    scene.machine.history(scene.now, "h", {"channel": "room"})
    scene.machine.disconnect(scene.now)
    assert [scene.outcome(handle).reason for handle in ("p", "h")] == ["closed", "closed"]
    assert [change.state for change in scene.told("room", "state")][-1] == "unsubscribed"
    assert scene.machine.next_wake() is None, "nothing is planned any more"
    scene.forget().connect("again")
    assert scene.last(Open).connect["payload"]["subscribe"] == [{"channel": "room"}]


def test_what_an_old_connection_says_is_not_heard() -> None:
    scene = Scene().connected().subscribe("room")
    old = scene.last(Open).attempt
    scene.lost().pass_ms(501).acked()
    heard: dict[str, Any] = {"type": "message", "id": "m", "channel": "room", "payload": 1}
    scene.machine.received(scene.now, old, heard)
    scene.machine.lost(scene.now, old, 4505, "banned")
    assert scene.told("room", "message") == []
    assert scene.machine.state == "connected"


def test_ten_thousand_clients_that_lose_one_server_come_back_evenly() -> None:
    clients, spread_ms, window_ms = 10_000, 10_000, 100
    windows = [0] * (spread_ms // window_ms + 10)
    for seed in range(clients):
        scene = Scene(seed=seed).connected()
        # As the broker spreads them: evenly.
        after = seed * spread_ms // clients
        payload = {"code": 4000, "reason": "shutting_down", "reconnect": True, "retry_after_ms": after}
        scene.receive("disconnect", None, payload).lost(4000, "shutting_down")
        wait = scene.last(Report).change.retry_in_ms
        assert wait is not None
        windows[int(wait // window_ms)] += 1
    mean = clients * window_ms / spread_ms
    assert max(windows) <= 3 * mean, windows


def test_connections_that_do_not_last_are_not_hurried() -> None:
    waits = []
    scene = Scene(base_ms=1000, seed=3).connected()
    for number in range(8):
        scene.lost(4003, "server_error")
        waits.append(scene.last(Report).change.retry_in_ms or 0)
        scene.until(lambda number=number: len(scene.all(Open)) == number + 2)  # type: ignore[misc]
        scene.acked()
    assert max(waits) > 5000, waits
    scene.pass_ms(5000).lost()
    assert (scene.last(Report).change.retry_in_ms or 0) <= 1000, "one that lasted was a good one"


def test_what_ends_connections_before_they_are_accepted_is_told() -> None:
    for code, expected in ((1006, (0, "connection_failed")), (4003, (4003, "server_error"))):
        scene = Scene(timeout_ms=1000).connect()
        while scene.outcome("connect") is None:
            scene.lost(code, "server_error").pass_ms(300)
        error = scene.outcome("connect")
        assert (error.code, error.reason, error.retry) == (*expected, True)
        assert scene.last(Complain).error.reason == expected[1]


def test_the_end_is_an_error_for_who_hears_errors_only() -> None:
    scene = Scene().connected().lost(4504, "kicked")
    assert [(complaint.error.code, complaint.error.reason) for complaint in scene.all(Complain)] == [(4504, "kicked")]
    scene = Scene().connected()
    scene.machine.disconnect(scene.now)
    assert scene.all(Complain) == []


def test_a_connect_that_is_too_large_is_sent_without_its_subscribes() -> None:
    too_large: list[Callable[[Scene], object]] = [
        lambda scene: scene.lost(1009, "message_too_big"),
        lambda scene: scene.open_fails(SluicegateError(0, "http_413", ""), is_final=True),
    ]
    for happens in too_large:
        scene = Scene().subscribe("room").connect()
        happens(scene)
        assert "subscribe" not in scene.last(Open).connect["payload"]
        scene.acked()
        assert len(scene.sent("subscribe")) == 1
        scene.lost(1009, "message_too_big")
        assert scene.states()[-1] == "disconnected", "by another message than this one it is the end"
        assert scene.last(Report).change.retry_in_ms is None
