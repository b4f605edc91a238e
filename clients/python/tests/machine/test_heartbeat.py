"""When the broker is asked whether it is there, and when it is given up."""

from __future__ import annotations

from typing import Any

from sluicegate.machine import Close, Report
from support.scene import SSE, Scene


def silent(*args: Any) -> Scene:
    scene = Scene(*args)
    scene.answers_pings = False
    return scene


def test_silence_is_ended_by_a_ping_and_the_answer_is_enough() -> None:
    scene = silent().connected(ping_ms=1000).pass_ms(999)
    assert scene.sent("ping") == []
    scene.pass_ms(2)
    assert len(scene.sent("ping")) == 1
    scene.reply(scene.sent("ping")[0]).pass_ms(900)
    assert len(scene.sent("ping")) == 1
    scene.pass_ms(101)
    assert len(scene.sent("ping")) == 2


def test_anything_that_comes_is_a_sign_of_life() -> None:
    scene = silent().connected(ping_ms=1000)
    for number in range(20):
        scene.pass_ms(900).message("room", f"m{number}")
    assert scene.sent("ping") == []


def test_two_and_a_half_heartbeats_of_silence_are_the_end() -> None:
    scene = silent().connected(ping_ms=1000).pass_ms(2499)
    assert scene.machine.state == "connected"
    assert len(scene.sent("ping")) == 1
    scene.pass_ms(2)
    change = scene.all(Report)[2].change
    assert (change.state, change.reason) == ("disconnected", "no_heartbeat")
    assert scene.all(Close) != []


def test_a_transport_that_hears_by_itself_sends_no_pings() -> None:
    scene = silent((SSE,)).connected(ping_ms=1000).pass_ms(2400)
    assert scene.sent("ping") == []
    scene.machine.heard(scene.now, 1)
    scene.pass_ms(2400)
    assert scene.machine.state == "connected"
    scene.pass_ms(101)
    assert scene.all(Close) != []


def test_doubt_is_answered_sooner_than_by_heartbeats() -> None:
    for answers in (True, False):
        scene = silent().connected(ping_ms=25_000)
        scene.machine.try_now(scene.now)
        if answers:
            scene.reply(scene.sent("ping")[0])
        scene.pass_ms(10_000)
        assert (scene.machine.state == "connected") == answers
