"""A publish from the call to the answer, whatever happens to the connection."""

from __future__ import annotations

from sluicegate.machine import Open
from sluicegate.values import Published
from support.scene import Scene


def accept(scene: Scene, number: int = -1, id: str = "m1", **fields: object) -> Scene:
    return scene.reply(scene.sent("publish")[number], {"channel": "room", "message": id, **fields})


def handles(scene: Scene) -> list[object]:
    return [request["payload"]["data"] for request in scene.sent("publish")]


def test_a_publish_is_sent_at_once_and_settled_by_its_ack() -> None:
    scene = Scene().connected().publish("room", "p")
    assert scene.outcome("p") is None
    accept(scene, epoch="E", offset=3, duplicate=True)
    assert scene.outcome("p") == Published("m1", "E", 3, True)


def test_what_waits_for_a_connection_is_sent_in_its_order() -> None:
    scene = Scene().publish("room", 1).connect().publish("room", 2).acked().publish("room", 3)
    assert handles(scene) == [1, 2, 3]


def test_what_had_no_answer_is_sent_again_first_and_with_its_key() -> None:
    scene = Scene().connected().publish("room", 1).publish("room", 2)
    accept(scene, 0)
    scene.lost().publish("room", 3).pass_ms(501).acked()
    assert handles(scene) == [1, 2, 2, 3]
    first, again = (request for request in scene.sent("publish") if request["payload"]["data"] == 2)
    assert first["payload"]["key"] == again["payload"]["key"]
    accept(scene, 2, "m2", duplicate=True)
    assert scene.outcome(2).duplicate


def test_an_ephemeral_publish_is_not_said_twice() -> None:
    scene = Scene().connected().publish("room", 1, ephemeral=True).lost()
    assert scene.outcome(1).reason == "connection_lost"
    scene.publish("room", 2, ephemeral=True).pass_ms(501).acked()
    assert handles(scene) == [1, 2], "one that was not sent yet may be"


def test_the_queue_is_bounded_in_bytes_and_has_room_again() -> None:
    scene = Scene(queue_bytes=1000)
    for number in range(6):
        scene.publish("room", number)
    assert [scene.outcome(number) for number in range(5)] == [None] * 5, "each takes 164 bytes with its envelope, and six are 984"
    assert scene.outcome(5) is None
    scene.publish("room", 6)
    assert scene.outcome(6).reason == "queue_full"
    assert scene.outcome(6).message == "no room for 164 bytes: 984 of queue_bytes=1000 wait already"
    assert scene.outcome(6).retry
    scene.connect().acked()
    for number in range(6):
        accept(scene, number, f"m{number}")
    scene.publish("room", 7)
    assert handles(scene) == [0, 1, 2, 3, 4, 5, 7]


def test_bytes_without_an_answer_are_bounded_too() -> None:
    scene = Scene(queue_bytes=1000).connected()
    for number in range(12):
        scene.publish("room", number)
    assert len(handles(scene)) == 6, "the others wait"
    scene.publish("room", 12)
    assert scene.outcome(12).reason == "queue_full"
    for number in range(6):
        accept(scene, number, f"m{number}")
    assert handles(scene) == list(range(12))


def test_a_timed_out_publish_gives_its_room_back() -> None:
    scene = Scene(queue_bytes=200, timeout_ms=1000).publish("room", 1).pass_ms(2999)
    assert scene.outcome(1) is None
    scene.pass_ms(2)
    assert scene.outcome(1).reason == "timeout"
    scene.publish("room", 2).connect().acked()
    assert handles(scene) == [2], "what was given up is not sent"


def test_a_time_of_its_own() -> None:
    scene = Scene().connected().publish("room", 1, timeout_ms=500).pass_ms(501)
    assert scene.outcome(1).reason == "timeout"
    accept(scene, 0)  # The late answer settles nothing a second time.


def test_a_key_that_the_broker_forgot_is_not_used_again() -> None:
    scene = Scene(timeout_ms=1_000_000, max_ms=150_000, base_ms=150_000).connected().publish("room", 1).pass_ms(20_000)
    scene.lost()
    scene.machine.disconnect(scene.now)
    assert scene.outcome(1).reason == "closed"
    scene = Scene(timeout_ms=1_000_000).connected(ping_ms=1_000_000).publish("room", 1).pass_ms(110_001).lost()
    assert scene.outcome(1).reason == "timeout"


def test_a_message_that_is_too_large_is_refused_before_the_broker_would_close() -> None:
    scene = Scene().publish("room", 1, size=70_000).connect().acked().publish("room", 2, size=70_000).publish("room", 3)
    assert [scene.outcome(number).code for number in (1, 2)] == [4413, 4413]
    assert handles(scene) == [3]


def test_a_refusal_reaches_its_caller() -> None:
    scene = Scene().connected().publish("room", 1)
    scene.refuse(scene.sent("publish")[0], 4429, "too_chatty", retry=True, retry_after_ms=700, plugin="abuse_filter")
    error = scene.outcome(1)
    assert (error.code, error.reason, error.retry, error.retry_after_ms, error.plugin) == (4429, "too_chatty", True, 700, "abuse_filter")


def test_a_backlog_goes_out_no_faster_than_the_broker_takes_it() -> None:
    scene = Scene()
    for number in range(25):
        scene.publish("room", number)
    scene.connect().acked(limits={"publish_per_second": 10})
    assert len(handles(scene)) == 10
    scene.publish("room", 25)
    assert len(handles(scene)) == 10, "who comes later does not overtake"
    scene.pass_ms(1000)
    assert 18 <= len(handles(scene)) <= 20
    scene.pass_ms(1000)
    assert handles(scene) == list(range(26))


def test_a_backlog_that_met_the_rate_waits_as_long_as_the_broker_says() -> None:
    scene = Scene().publish("room", 1).connect().acked()
    scene.refuse(scene.sent("publish")[0], 4429, "rate_limited", retry=True, retry_after_ms=700)
    assert scene.outcome(1) is None
    scene.pass_ms(699)
    assert handles(scene) == [1]
    scene.pass_ms(3)
    assert handles(scene) == [1, 1]


def test_an_ack_that_cannot_be_read_settles_too() -> None:
    scene = Scene().connected().publish("room", 1)
    scene.reply(scene.sent("publish")[0], {})
    assert scene.outcome(1).reason == "bad_answer"


def test_a_backlog_that_met_the_rate_keeps_its_order() -> None:
    scene = Scene()
    for number in range(5):
        scene.publish("room", number)
    scene.connect().acked()
    for request in scene.sent("publish")[1:4]:
        scene.refuse(request, 4429, "rate_limited", retry=True, retry_after_ms=700)
    scene.publish("room", 5).pass_ms(702)
    assert handles(scene) == [0, 1, 2, 3, 4, 1, 2, 3, 5]


def test_what_waits_is_settled_by_a_disconnect_also_before_the_first_connect() -> None:
    scene = Scene().publish("room", "p").subscribe("room")
    scene.machine.history(scene.now, "h", {"channel": "room"})
    scene.machine.disconnect(scene.now)
    assert [scene.outcome(handle).reason for handle in ("p", "subscribe", "h")] == ["closed"] * 3
    assert scene.states() == [], "the state is what it was"
    assert scene.machine.next_wake() is None


def test_the_end_leaves_no_time_that_is_waited_for() -> None:
    scene = Scene()
    for number in range(3):
        scene.publish("room", number)
    scene.connect().acked(limits={"publish_per_second": 1})
    assert len(handles(scene)) == 1
    scene.machine.disconnect(scene.now)
    assert scene.machine.next_wake() is None


def test_publishes_that_are_given_up_take_no_memory() -> None:
    scene = Scene(timeout_ms=10)
    for number in range(1000):
        scene.publish("room", number).pass_ms(31)
    assert len(scene.machine._publishes._waiting) == 0


def test_a_key_is_not_used_again_however_long_the_last_wait_was() -> None:
    scene = Scene(timeout_ms=1_000_000, base_ms=100_000, max_ms=100_000, seed=2).connected().publish("room", 1).pass_ms(40_000).lost()
    assert scene.outcome(1) is None
    scene.until(lambda: len(scene.all(Open)) == 2)
    assert scene.now > 110_000
    scene.acked()
    assert handles(scene) == [1]
    assert scene.outcome(1).reason == "timeout"
