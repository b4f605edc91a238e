"""Subscriptions over connections: asked for, remembered, refused, given up."""

from __future__ import annotations

from sluicegate.machine import Open
from sluicegate.values import Gap, Member, Position
from support.scene import SSE, Scene


def subscribed(scene: Scene, channel: str = "room", **ack: object) -> Scene:
    scene.subscribe(channel)
    return scene.reply(scene.sent("subscribe")[-1], {"channel": channel, "epoch": "E", "offset": 0, **ack})


def states(scene: Scene, channel: str = "room") -> list[str]:
    return [change.state for change in scene.told(channel, "state")]


def again(scene: Scene) -> Scene:
    """The connection is lost, and there is another one."""
    scene.lost().forget()
    scene.until(lambda: len(scene.all(Open)) == 2)
    return scene


def test_a_subscribe_is_settled_by_its_ack() -> None:
    scene = Scene().connected().subscribe("room")
    assert states(scene) == ["subscribing"]
    assert scene.outcome("subscribe") is None
    scene.reply(scene.sent("subscribe")[0], {"channel": "room"})
    assert scene.outcome("subscribe") == "done"
    assert states(scene) == ["subscribing", "subscribed"]
    scene.subscribe("room", "twice")
    assert scene.outcome("twice") == "done"
    assert len(scene.sent("subscribe")) == 1


def test_what_is_subscribed_before_connecting_goes_with_connect() -> None:
    scene = Scene().subscribe("room").connect()
    assert scene.last(Open).connect["payload"]["subscribe"] == [{"channel": "room"}]
    scene.acked(subscriptions=[{"channel": "room", "epoch": "E", "offset": 3}])
    assert scene.outcome("subscribe") == "done"
    assert scene.sent("subscribe") == []


def test_a_reconnect_subscribes_with_the_position_and_hands_out_what_was_missed_once() -> None:
    scene = subscribed(Scene().connected()).message("room", "m1", 1)
    again(scene)
    assert scene.last(Open).connect["payload"]["subscribe"] == [{"channel": "room", "since": {"epoch": "E", "offset": 1}}]
    missed = [{"type": "message", "id": f"m{number}", "epoch": "E", "offset": number, "payload": number} for number in (2, 3)]
    answer = {"channel": "room", "epoch": "E", "offset": 3, "recovered": True, "messages": missed}
    scene.acked(subscriptions=[answer]).message("room", "m4", 4)
    assert [(m.id, m.recovered) for m in scene.told("room", "message")] == [("m2", True), ("m3", True), ("m4", False)]
    assert scene.told("room", "gap") == []
    assert states(scene) == ["subscribed"]


def test_what_could_not_be_recovered_is_a_gap() -> None:
    scene = subscribed(Scene().connected()).message("room", "m1", 1)
    again(scene).acked(subscriptions=[{"channel": "room", "epoch": "F", "offset": 7, "recovered": False}])
    assert scene.told("room", "gap") == [Gap(Position("E", 1), Position("F", 7))]
    scene.message("room", "m8", 8, epoch="F")
    assert [message.id for message in scene.told("room", "message")] == ["m8"]


def test_without_recovery_a_channel_that_moved_is_a_gap_too() -> None:
    scene = Scene().connected().subscribe("room", recover=False)
    scene.reply(scene.sent("subscribe")[0], {"channel": "room", "epoch": "E", "offset": 4})
    again(scene)
    assert scene.last(Open).connect["payload"]["subscribe"] == [{"channel": "room"}]
    scene.acked(subscriptions=[{"channel": "room", "epoch": "E", "offset": 4}])
    assert scene.told("room", "gap") == []
    again(scene).acked(subscriptions=[{"channel": "room", "epoch": "E", "offset": 6}])
    assert scene.told("room", "gap") == [Gap(Position("E", 4), Position("E", 6))]


def test_many_channels_go_in_pieces_of_a_bounded_size() -> None:
    scene = Scene()
    for number in range(1000):
        scene.subscribe(f"a-channel-with-a-name-of-some-length:{number}", number)
    scene.connect()
    with_connect = len(scene.last(Open).connect["payload"]["subscribe"])
    assert 300 < with_connect < 1000
    scene.acked()
    answered = 0
    while answered < len(scene.sent("subscribe")):
        requests = scene.sent("subscribe")
        assert len(requests) - answered <= 32
        request = requests[answered]
        answered += 1
        scene.reply(request, {"channel": request["payload"]["channel"]})
    assert with_connect + answered == 1000
    assert all(scene.outcome(number) == "done" for number in range(1000))


def test_subscribes_over_the_rate_wait_as_long_as_the_broker_says() -> None:
    scene = Scene().connected()
    for number in range(40):
        scene.subscribe(f"room:{number}", number)
    first = scene.sent("subscribe")
    scene.refuse(first[0], 4429, "rate_limited", retry=True, retry_after_ms=800)
    for request in first[1:]:
        scene.reply(request, {"channel": request["payload"]["channel"]})
    assert len(scene.sent("subscribe")) == 32
    scene.pass_ms(799)
    assert len(scene.sent("subscribe")) == 32
    scene.pass_ms(2)
    assert len(scene.sent("subscribe")) == 41
    assert scene.sent("subscribe")[32]["payload"]["channel"] == "room:0"


def test_a_refused_subscribe_is_its_callers_error_and_is_not_remembered() -> None:
    scene = Scene().connected().subscribe("room")
    scene.refuse(scene.sent("subscribe")[0], 4403, "permission_denied")
    assert scene.outcome("subscribe").code == 4403
    assert states(scene) == ["subscribing", "unsubscribed"]
    again(scene)
    assert "subscribe" not in scene.last(Open).connect["payload"]


def test_a_refusal_after_a_reconnect_is_an_event() -> None:
    scene = subscribed(Scene().connected())
    error = {"code": 4403, "reason": "permission_denied", "message": "", "retry": False}
    again(scene).acked(subscriptions=[{"channel": "room", "error": error}])
    assert [error.code for error in scene.told("room", "error")] == [4403]
    assert states(scene)[-1] == "unsubscribed"


def test_a_fault_after_a_reconnect_is_tried_again() -> None:
    scene = subscribed(Scene().connected())
    error = {"code": 4503, "reason": "plugin_fault", "message": "", "retry": True, "retry_after_ms": 900}
    again(scene).acked(subscriptions=[{"channel": "room", "error": error}])
    scene.pass_ms(899)
    assert scene.sent("subscribe") == []
    scene.pass_ms(2)
    assert scene.sent("subscribe")[0]["payload"]["since"] == {"epoch": "E", "offset": 0}


def test_subscriptions_that_the_broker_ends() -> None:
    table = [(4002, "insufficient_state", True), (4004, "token_expired", True), (4503, "permission_denied", False), (4999, "x", False)]
    for code, reason, comes_back in table:
        scene = subscribed(Scene().connected()).pass_ms(10_000).forget()
        scene.receive("unsubscribed", payload={"code": code, "reason": reason}, channel="room")
        assert (scene.told("room", "error") == []) == comes_back
        assert states(scene) == ["subscribing" if comes_back else "unsubscribed"]
        assert len(scene.sent("subscribe")) == (1 if comes_back else 0)


def test_a_subscription_that_ends_again_and_again_is_begun_after_a_while() -> None:
    scene = subscribed(Scene(base_ms=1000).connected())
    waits = []
    for number in range(6):
        scene.receive("unsubscribed", payload={"code": 4002, "reason": "insufficient_state"}, channel="room")
        waits.append(scene.until(lambda number=number: len(scene.sent("subscribe")) == number + 2))  # type: ignore[misc]
        scene.reply(scene.sent("subscribe")[-1], {"channel": "room", "epoch": "E", "offset": 0})
    assert sum(waits) > 3000, waits
    assert states(scene)[-1] == "subscribed"


def test_an_end_that_comes_while_something_is_missing_is_the_end() -> None:
    for before in (False, True):
        scene = Scene((SSE,)).connected().subscribe("room")
        answer = {"channel": "room", "epoch": "E", "offset": 0}
        if before:
            scene.reply(scene.sent("subscribe")[0], answer)
        scene.message("room", "m1", 1).message("room", "m3", 3)
        scene.receive("unsubscribed", payload={"code": 4503, "reason": "permission_denied"}, channel="room")
        if not before:
            scene.reply(scene.sent("subscribe")[0], answer)
        assert [message.id for message in scene.told("room", "message")] == ["m1", "m3"]
        assert scene.told("room", "gap") == [Gap(Position("E", 1), Position("E", 2))]
        assert states(scene)[-1] == "unsubscribed"


def test_unsubscribe_is_settled_by_its_ack_and_nothing_comes_after_the_call() -> None:
    scene = subscribed(Scene().connected())
    scene.machine.unsubscribe(scene.now, "room", "leave")
    scene.message("room", "m1", 1)
    assert scene.told("room", "message") == []
    assert scene.outcome("leave") is None
    scene.reply(scene.sent("unsubscribe")[0])
    assert scene.outcome("leave") == "done"
    again(scene)
    assert "subscribe" not in scene.last(Open).connect["payload"]


def test_what_is_given_up_leaves_nothing_behind() -> None:
    scene = Scene().connected()
    for number in range(1000):
        scene.subscribe(f"room:{number}", number)
        scene.machine.unsubscribe(scene.now, f"room:{number}", f"leave {number}")
    assert scene.machine.rooms.count == 0


def test_an_unsubscribe_is_settled_whatever_happens() -> None:
    for how in ("refused", "lost", "silence", "not connected"):
        scene = Scene() if how == "not connected" else subscribed(Scene().connected(ping_ms=100_000))
        scene.machine.unsubscribe(scene.now, "room", "leave")
        if how == "refused":
            scene.refuse(scene.sent("unsubscribe")[0], 4406, "not_subscribed")
        elif how == "lost":
            scene.lost()
        elif how == "silence":
            scene.pass_ms(10_001)
        assert scene.outcome("leave") == "done", how


def test_what_was_given_up_while_connecting_is_given_up_at_the_broker() -> None:
    scene = Scene().subscribe("room").connect()
    scene.machine.unsubscribe(scene.now, "room", "leave")
    scene.acked()
    assert [request["payload"] for request in scene.sent("unsubscribe")] == [{"channel": "room"}]
    scene.reply(scene.sent("unsubscribe")[0])
    assert states(scene) == ["subscribing", "unsubscribed"]


def test_a_late_answer_to_a_subscribe_that_was_given_up_is_none_to_the_next() -> None:
    scene = Scene().connected().subscribe("room", "first")
    scene.machine.unsubscribe(scene.now, "room", "leave")
    assert scene.outcome("first").reason == "unsubscribed"
    scene.subscribe("room", "second")
    first, second = scene.sent("subscribe")
    scene.reply(first, {"channel": "room", "epoch": "E", "offset": 5})
    assert scene.outcome("second") is None
    scene.reply(second, {"channel": "room", "epoch": "E", "offset": 6})
    assert scene.outcome("second") == "done"


def test_a_subscribe_is_given_up_in_time_and_still_wanted() -> None:
    scene = Scene(timeout_ms=1000).subscribe("room").pass_ms(3001)
    assert scene.outcome("subscribe").reason == "timeout"
    scene.connect()
    assert scene.last(Open).connect["payload"]["subscribe"] == [{"channel": "room"}]


def test_pushes_before_the_answer_wait_for_it() -> None:
    """Answers of posts and the stream of SSE overtake each other."""
    scene = Scene((SSE,)).connected().subscribe("room")
    assert "subscribe" not in scene.last(Open).connect["payload"]
    scene.message("room", "m3", 3).message("room", "m2", 2)
    assert scene.told("room", "message") == []
    scene.reply(scene.sent("subscribe")[0], {"channel": "room", "epoch": "E", "offset": 2})
    assert [message.id for message in scene.told("room", "message")] == ["m3"], "m2 came before"


def test_what_waits_for_an_answer_is_bounded() -> None:
    scene = Scene((SSE,)).connected().subscribe("room")
    for number in range(4097):
        scene.message("room", f"m{number}", number + 1)
    assert scene.machine.state == "disconnected", "it begins anew rather than take more memory"


def test_presence_is_the_snapshot_and_each_change() -> None:
    scene = Scene().connected().subscribe("room", presence=True)
    assert scene.sent("subscribe")[0]["payload"]["presence"] is True
    scene.reply(scene.sent("subscribe")[0], {"channel": "room", "presence": [{"user": "ann", "session": "1"}]})
    scene.receive("join", payload={"user": "bob", "session": "2"}, channel="room")
    scene.receive("leave", payload={"user": "ann", "session": "1"}, channel="room")
    ann, bob = Member("ann", "1"), Member("bob", "2")
    assert scene.told("room", "join", "leave") == [bob, ann]
    assert scene.told("room", "presence") == [[ann], [ann, bob], [bob]]


def test_calls_are_asked_again_within_their_time() -> None:
    scene = Scene(timeout_ms=1000).connected()
    scene.machine.members(scene.now, "m", "room")
    scene.machine.history(scene.now, "h", {"channel": "room", "limit": 2})
    scene.lost().pass_ms(501).acked()
    assert len(scene.sent("presence")) == len(scene.sent("history")) == 2
    scene.reply(scene.sent("presence")[1], {"members": [{"session": "1"}, {"bad": 1}], "count": 1})
    assert scene.outcome("m") == [Member(None, "1")]
    scene.pass_ms(500)
    assert scene.outcome("h").reason == "timeout"


def test_calls_are_bounded_in_number() -> None:
    scene = Scene()
    for number in range(1025):
        scene.machine.members(scene.now, number, "room")
    assert scene.outcome(1023) is None
    assert scene.outcome(1024).reason == "too_many_requests"
