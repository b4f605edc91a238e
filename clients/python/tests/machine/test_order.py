"""Each message once, in order, and every hole told."""

from __future__ import annotations

from typing import Any

from sluicegate.values import Gap, Position
from support.scene import Scene


def listening(offset: int = 0) -> Scene:
    scene = Scene().connected().subscribe("room")
    return scene.reply(scene.sent("subscribe")[0], {"channel": "room", "epoch": "E", "offset": offset})


def ids(scene: Scene) -> list[str]:
    return [message.id for message in scene.told("room", "message")]


def listed(*offsets: int, epoch: str = "E") -> list[dict[str, Any]]:
    return [{"type": "message", "id": f"m{offset}", "epoch": epoch, "offset": offset, "payload": 0} for offset in offsets]


def answer(scene: Scene, *offsets: int, epoch: str = "E") -> Scene:
    return scene.reply(scene.sent("history")[-1], {"messages": listed(*offsets, epoch=epoch), "epoch": epoch, "offset": 99})


def test_the_same_message_comes_once_by_its_offset_within_an_epoch() -> None:
    scene = listening().message("room", "m1", 1).message("room", "other", 1).message("room", "m2", 2).message("room", "m1", 1)
    assert ids(scene) == ["m1", "m2"]


def test_the_same_message_comes_once_by_its_id_elsewhere() -> None:
    scene = listening().message("room", "e1").message("room", "e1").message("room", "m1", 1)
    scene.message("room", "m1", 2, epoch="F").message("room", "m2", 2, epoch="F")
    assert ids(scene) == ["e1", "m1", "m2"]


def test_a_new_epoch_comes_without_notice_where_nothing_lies_between() -> None:
    for offset in (1, 4):
        scene = listening(2).message("room", "m3", 3).message("room", "n", offset, epoch="F")
        assert ids(scene) == ["m3", "n"]
        assert scene.told("room", "gap") == []
        assert scene.sent("history") == []


def test_what_is_missing_is_read_from_the_history_and_handed_out_in_its_place() -> None:
    scene = listening().message("room", "m1", 1).message("room", "m4", 4).message("room", "m5", 5)
    assert ids(scene) == ["m1"]
    assert scene.sent("history")[0]["payload"] == {"channel": "room", "limit": 1000, "since": {"epoch": "E", "offset": 1}}
    answer(scene, 2, 3, 4, 5, 6)
    assert ids(scene) == ["m1", "m2", "m3", "m4", "m5"]
    assert [message.recovered for message in scene.told("room", "message")] == [False, True, True, False, False]
    assert scene.told("room", "gap") == []


def test_what_the_history_no_longer_has_is_a_gap() -> None:
    scene = listening().message("room", "m4", 4)
    answer(scene, 3)
    assert ids(scene) == ["m3", "m4"], "what is there is handed out"
    scene = listening().message("room", "m4", 4)
    scene.refuse(scene.sent("history")[0], 4416, "unrecoverable_position")
    assert ids(scene) == ["m4"]
    assert scene.told("room", "gap") == [Gap(Position("E", 0), Position("E", 3))]


def test_a_history_that_is_busy_is_asked_again() -> None:
    scene = listening().message("room", "m2", 2)
    scene.refuse(scene.sent("history")[0], 4429, "rate_limited", retry=True, retry_after_ms=300)
    scene.pass_ms(301)
    assert len(scene.sent("history")) == 2
    answer(scene, 1)
    assert ids(scene) == ["m1", "m2"]


def test_many_pages_are_read() -> None:
    scene = listening().message("room", "m1500", 1500)
    answer(scene, *range(1, 1001))
    assert scene.sent("history")[1]["payload"]["since"] == {"epoch": "E", "offset": 1000}
    answer(scene, *range(1001, 1500))
    assert ids(scene) == [f"m{number}" for number in range(1, 1501)]


def test_what_waits_for_the_history_is_bounded() -> None:
    scene = listening().message("room", "m2", 2)
    for offset in range(3, 4100):
        scene.message("room", f"m{offset}", offset)
    assert scene.told("room", "gap") == [Gap(Position("E", 0), Position("E", 1))]
    assert len(ids(scene)) == 4098


def test_a_connection_that_ends_meanwhile_recovers_from_the_same_place() -> None:
    scene = listening().message("room", "m3", 3).lost().pass_ms(501)
    scene.acked(subscriptions=[{"channel": "room", "epoch": "E", "offset": 3, "recovered": True, "messages": listed(1, 2, 3)}])
    assert ids(scene) == ["m1", "m2", "m3"]


def test_ones_own_messages_without_echo_are_no_hole() -> None:
    scene = listening().publish("room", "p", echo=False)
    scene.reply(scene.sent("publish")[0], {"message": "own", "epoch": "E", "offset": 1}).message("room", "m2", 2)
    assert ids(scene) == ["m2"]
    assert scene.sent("history") == []


def test_ones_own_message_whose_ack_comes_later_is_not_handed_out_either() -> None:
    scene = listening().publish("room", "p", echo=False).message("room", "m2", 2)
    scene.reply(scene.sent("publish")[0], {"message": "m1", "epoch": "E", "offset": 1})
    answer(scene, 1)
    assert ids(scene) == ["m2"]
    assert scene.told("room", "gap") == []


def test_messages_that_cannot_be_read_are_passed_over() -> None:
    scene = listening()
    for envelope in ({"id": 5}, {"id": None}, {}, {"id": "m1", "epoch": 5, "offset": "x", "from": 3, "tags": []}):
        scene.receive("message", channel="room", **{"id": None, **envelope})
    assert ids(scene) == ["m1"]
    for kind in ("join", "leave", "unsubscribed", "something-new"):
        scene.receive(kind, payload=[1], channel="elsewhere")
