"""When a token is asked for, and what becomes of a bad one."""

from __future__ import annotations

from typing import Any

from sluicegate.errors import SluicegateError
from sluicegate.machine import AskToken, Close, Complain, Open, Report
from support.scene import EPOCH_MS, Scene

HOUR_MS = 3_600_000
FAILED = SluicegateError(0, "token_failed", "it raised", retry=True)


def asking(**options: Any) -> Scene:
    return Scene(asks_for_tokens=True, **options).connect()


def answer(scene: Scene, token: str = "t1") -> Scene:
    scene.machine.token(scene.now, scene.last(AskToken).number, token)
    return scene


def reasons(scene: Scene) -> list[str]:
    return [asked.reason for asked in scene.all(AskToken)]


def test_a_token_is_asked_for_before_the_first_connection() -> None:
    scene = asking()
    assert reasons(scene) == ["connect"]
    assert scene.all(Open) == []
    answer(scene)
    assert scene.last(Open).connect["payload"]["token"] == "t1"


def test_a_token_that_is_good_is_used_again() -> None:
    scene = answer(asking()).acked().lost().pass_ms(501)
    assert reasons(scene) == ["connect"]
    assert [opened.connect["payload"]["token"] for opened in scene.all(Open)] == ["t1", "t1"]


def test_a_token_is_refreshed_before_it_ends_each_time_at_another_moment() -> None:
    moments = set()
    for seed in range(50):
        scene = answer(asking(seed=seed)).acked(expires_at=EPOCH_MS + HOUR_MS)
        took = scene.until(lambda scene=scene: len(scene.all(AskToken)) == 2, HOUR_MS)  # type: ignore[misc]
        assert 0.7 * HOUR_MS <= took <= 0.85 * HOUR_MS
        assert reasons(scene) == ["connect", "refresh"]
        moments.add(took)
        answer(scene, "t2")
        assert scene.sent("refresh")[-1]["payload"] == {"token": "t2"}
    assert len(moments) == 50


def test_a_refreshed_token_is_refreshed_again_and_is_the_next_connections() -> None:
    scene = answer(asking()).acked(expires_at=EPOCH_MS + 10_000)
    scene.pass_ms(9000)
    answer(scene, "t2").reply(scene.sent("refresh")[0], {"expires_at": EPOCH_MS + 30_000})
    scene.pass_ms(20_000)
    assert reasons(scene) == ["connect", "refresh", "refresh"]
    scene.lost().pass_ms(501)
    assert scene.last(Open).connect["payload"]["token"] == "t2"


def test_a_session_without_an_end_is_not_refreshed() -> None:
    scene = answer(asking()).acked().pass_ms(20_000)
    assert reasons(scene) == ["connect"]


def test_an_expired_token_is_asked_for_anew() -> None:
    scene = answer(asking()).acked().lost(4004, "token_expired").pass_ms(501)
    assert reasons(scene) == ["connect", "expired"]
    answer(scene, "t2")
    assert scene.last(Open).connect["payload"]["token"] == "t2"


def test_a_refused_token_is_asked_for_once_more_before_the_client_ends() -> None:
    scene = answer(asking())
    for attempt in range(2):
        scene.receive("error", 1, {"code": 4401, "reason": "not_authenticated", "message": "", "retry": False})
        if attempt == 0:
            assert reasons(scene) == ["connect", "expired"]
            answer(scene, "t2")
    assert reasons(scene) == ["connect", "expired"]
    assert scene.last(Report).change.code == 4502
    assert scene.outcome("connect").code == 4401


def test_a_revoked_session_asks_once_more_each_time_it_was_up_for_a_while() -> None:
    scene = answer(asking()).acked()
    for number in range(3):
        scene.pass_ms(10_000).lost(4502, "not_authenticated")
        assert reasons(scene) == ["connect"] + ["expired"] * (number + 1)
        answer(scene, f"t{number}").acked()
    scene.lost(4502, "not_authenticated")
    assert len(reasons(scene)) == 4, "not again and again within seconds"
    assert scene.states()[-1] == "disconnected"


def test_without_anybody_to_ask_4502_is_the_end() -> None:
    scene = Scene(token="t").connected().lost(4502, "not_authenticated")
    assert scene.last(Report).change.retry_in_ms is None


def test_an_error_4401_on_a_connection_renews_the_token() -> None:
    scene = answer(asking()).acked()
    scene.machine.members(scene.now, "m", "room")
    scene.refuse(scene.sent("presence")[0], 4401, "not_authenticated")
    assert scene.outcome("m").code == 4401, "its caller is told all the same"
    assert reasons(scene) == ["connect", "expired"]
    answer(scene, "t2")
    assert scene.sent("refresh")[0]["payload"] == {"token": "t2"}


def test_a_refresh_that_is_refused_is_tried_once_with_another_token_then_told() -> None:
    scene = answer(asking()).acked(expires_at=EPOCH_MS + 10_000).pass_ms(9000)
    answer(scene, "t2").refuse(scene.sent("refresh")[-1], 4410, "token_expired")
    assert reasons(scene) == ["connect", "refresh", "expired"]
    answer(scene, "t3").refuse(scene.sent("refresh")[-1], 4403, "permission_denied")
    assert scene.last(Complain).error.code == 4403
    assert scene.machine.state == "connected"


def test_a_refresh_that_may_be_tried_again_is() -> None:
    scene = answer(asking()).acked(expires_at=EPOCH_MS + 10_000).pass_ms(9000)
    answer(scene, "t2").refuse(scene.sent("refresh")[-1], 4503, "plugin_fault", retry=True, retry_after_ms=3000)
    scene.pass_ms(2999)
    assert len(reasons(scene)) == 2
    scene.pass_ms(2)
    assert reasons(scene)[-1] == "refresh"


def test_a_callback_that_fails_is_told_at_once_and_asked_again_later() -> None:
    scene = asking()
    scene.machine.token_failed(scene.now, scene.last(AskToken).number, FAILED)
    assert scene.outcome("connect").reason == "token_failed"
    assert scene.last(Complain).error is FAILED
    scene.pass_ms(501)
    assert reasons(scene) == ["connect", "connect"]
    answer(scene).acked()
    assert scene.states()[-1] == "connected"


def test_a_callback_that_hangs_is_given_up() -> None:
    scene = asking(timeout_ms=1000).pass_ms(1001)
    assert scene.outcome("connect").reason == "token_failed"
    late = scene.all(AskToken)[0].number
    scene.machine.token(scene.now, late, "late")
    assert scene.all(Open) == []


def test_a_callback_that_fails_at_a_refresh_leaves_the_connection() -> None:
    scene = answer(asking()).acked(expires_at=EPOCH_MS + 100_000).pass_ms(90_000)
    scene.machine.token_failed(scene.now, scene.last(AskToken).number, FAILED)
    assert scene.last(Complain).error is FAILED
    assert scene.machine.state == "connected"
    assert scene.all(Close) == []
    scene.pass_ms(501)
    assert reasons(scene) == ["connect", "refresh", "refresh"]


def test_a_token_with_no_time_left_is_not_asked_for_without_a_pause() -> None:
    scene = answer(asking()).acked(expires_at=EPOCH_MS)
    answered = 1
    for _ in range(30):
        scene.pass_ms(100)
        if len(reasons(scene)) > answered:
            answered += 1
            answer(scene, "t2").reply(scene.sent("refresh")[-1], {"expires_at": EPOCH_MS})
    assert 3 <= answered <= 4, "once a second, though the broker takes it for a while yet"
