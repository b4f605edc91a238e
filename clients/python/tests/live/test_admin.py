"""The admin client against a real broker, and against the document that this serves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import httpx
import pytest

from sluicegate import AdminClient, AdminError, AsyncAdminClient, SluicegateError
from sluicegate.admin import answers, calls
from sluicegate.values import Position
from support.broker import ADMIN_KEY, Broker
from support.heard import Connect, Heard

CLIENTS = [AdminClient, AsyncAdminClient]
# In the document one parameter each, here what they come together as, and what follows from the type of `data`.
TOGETHER = {"since_epoch": "since", "since_offset": "since", "encoding": "data"}


@pytest.fixture(scope="module")
def document(broker: Broker) -> dict[str, Any]:
    served: dict[str, Any] = httpx.get(f"{broker.admin}/api/v1/openapi.json").json()
    return served


@pytest.fixture
def admin(broker: Broker) -> Iterator[AdminClient]:
    with AdminClient(broker.admin, ADMIN_KEY) as admin:
        yield admin


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower().replace("-", "_")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str, set[str]]]:
    """Method, path, name and parameters of each call of the document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = {snake(parameter["name"]) for parameter in operation.get("parameters", [])}
            for content, body in operation.get("requestBody", {}).get("content", {}).items():
                named = body["schema"].get("properties", {})
                parameters |= {"toml"} if content == "application/toml" else set(named)
            yield method.upper(), path, snake(operation["operationId"]), {TOGETHER.get(name, name) for name in parameters}


def test_there_is_a_method_for_every_call_of_the_document(document: dict[str, Any]) -> None:
    found = list(operations(document))
    assert len(found) >= 21
    for client in CLIENTS:
        for _, path, name, parameters in found:
            method = getattr(client, name, None)
            assert method is not None, f"{client.__name__} has no method {name} for {path}"
            assert set(inspect.signature(method).parameters) == {"self", *parameters}, name
            assert method.__doc__, name
    functions = {name: value for name, value in vars(calls).items() if inspect.isfunction(value) and not name.startswith("_")}
    made = {name for name, value in functions.items() if value.__module__ == calls.__name__}
    assert made == {name for _, _, name, _ in found}, "and no method for a call that is not there"


VALUES: dict[str, Any] = {"channels": ["c"], "seconds": 5, "data": 1, "id": "j00", "toml": "", "address": "192.0.2.1"}


def test_each_method_calls_what_its_name_says(document: dict[str, Any]) -> None:
    for method, path, name, parameters in operations(document):
        make: Callable[..., Any] = getattr(calls, name)
        required = {
            parameter.name: VALUES.get(parameter.name, "x")
            for parameter in inspect.signature(make).parameters.values()
            if parameter.default is inspect.Parameter.empty
        }
        call = make(**required)
        template = re.sub(r"\{(\w+)\}", lambda match: str(VALUES.get(match[1], "x")), path)
        assert (call.method, call.path) == (method, template), name
        assert parameters


def test_the_answers_have_the_fields_of_the_document(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        answer = getattr(answers, name, None)
        if answer is not None:
            assert set(get_type_hints(answer)) == set(schema["properties"]), name
    for _, _, name, _ in operations(document):
        annotation = str(inspect.signature(getattr(calls, name)).return_annotation)
        assert re.fullmatch(r"Call\[answers\.\w+\]", annotation), name


def test_publish_and_read(admin: AdminClient) -> None:
    first = admin.publish("acme", "room:a/b&räume", {"n": 1}, key="k")
    assert admin.publish("acme", "room:a/b&räume", {"n": 1}, key="k") == {**first, "duplicate": True}
    admin.publish("acme", "room:a/b&räume", None)
    history = admin.read_history("acme", "room:a/b&räume", limit=5)
    assert [message["payload"] for message in history["messages"]] == [{"n": 1}, None]
    since = Position(history["epoch"], 1)
    assert len(admin.read_history("acme", "room:a/b&räume", since=since)["messages"]) == 1
    assert admin.read_history("acme", "room:a/b&räume", reverse=True)["messages"][0]["payload"] is None
    both = admin.broadcast("acme", ["room:b1", "room:b2"], "x", ephemeral=True)
    assert (both["published"], both["failed"], len(both["results"])) == (2, 0, 2)


def test_bans_and_revocations(admin: AdminClient) -> None:
    assert admin.ban_user("acme", "mallory/1", 60, reason="spam") == {"affected": 0}
    assert admin.ban_address("acme", "2001:db8::1", 60) == {"affected": 0}
    page = admin.list_bans("acme", limit=1)
    rest = admin.list_bans("acme", after=page["next"])
    assert {ban.get("user") or ban.get("address") for ban in page["bans"] + rest["bans"]} == {"mallory/1", "2001:db8::/64"}
    admin.unban_user("acme", "mallory/1")
    admin.unban_address("acme", "2001:db8::/64")
    assert admin.list_bans("acme")["bans"] == []
    revoked = admin.revoke_tokens("acme", jti="7f1c", reason="lost")
    assert [entry["id"] for entry in admin.list_revocations("acme")["revocations"]] == [revoked["id"]]
    admin.delete_revocation("acme", revoked["id"])
    assert admin.list_revocations("acme")["revocations"] == []


def test_tenants(admin: AdminClient) -> None:
    created = admin.push_tenant_config("pushed", "hosts = []\nanonymous = true\n", if_none_match="*")
    assert created["nodes"][0]["done"]
    config = admin.read_tenant_config("pushed")
    assert config.version == created["version"]
    assert "anonymous = true" in config.toml
    with pytest.raises(AdminError) as raised:
        admin.push_tenant_config("pushed", "anonymous = false\n", if_match="1")
    assert (raised.value.code, raised.value.reason) == (412, "other_version")
    assert raised.value.problem["version"] == created["version"]
    with pytest.raises(AdminError) as raised:
        admin.push_tenant_config("pushed", "no_such_key = true\n", if_match=config.version)
    assert raised.value.reason == "bad_tenant"
    assert raised.value.problem["problems"][0]["line"] == 1
    admin.delete_tenant_config("pushed", if_match="*")


@pytest.mark.anyio
async def test_clients_are_seen_and_sent_away(make: Connect, broker: Broker) -> None:
    async with AsyncAdminClient(f"{broker.admin}/api/v1/", ADMIN_KEY) as admin, make(user="zoe") as client:
        room = client.channel("room:zoe")
        heard = Heard(room, "message", "error")
        await room.subscribe()
        assert (await admin.count("acme"))["subscriptions"] >= 1
        listed = await admin.list_connections("acme", user="zoe")
        assert [entry["session"] for entry in listed["connections"]] == [client.session]
        assert (await admin.list_channels("acme", prefix="room:zoe"))["channels"][0]["subscribers"] == 1
        presence = await admin.read_presence("acme", "room:zoe")
        assert (presence["count"], presence["members"][0].get("user")) == (1, "zoe")
        await admin.publish("acme", "room:zoe", "from the operator")
        assert (await heard.next()).data == "from the operator"
        assert (await admin.unsubscribe_user("acme", "zoe", "room:zoe"))["affected"] == 1
        assert (await heard.next()).code == 4503
        states = Heard(client, "state")
        assert client.session is not None
        assert (await admin.disconnect_session("acme", client.session, code=4800))["affected"] == 1
        assert (await states.next()).code == 4800


def test_problems_are_errors(admin: AdminClient, broker: Broker, unused_port: int) -> None:
    with pytest.raises(AdminError) as raised:
        admin.count("acne")
    assert (raised.value.code, raised.value.reason, raised.value.retry) == (404, "unknown_tenant", False)
    assert "acne" in raised.value.message
    with pytest.raises(AdminError) as raised:
        admin.read_history("acme", "plain")
    assert raised.value.reason == "no_history"
    with AdminClient(broker.admin, "sga_wrong") as wrong, pytest.raises(AdminError) as raised:
        wrong.count("acme")
    assert (raised.value.code, raised.value.reason) == (401, "bad_key")
    with AdminClient(f"http://127.0.0.1:{unused_port}", ADMIN_KEY) as nobody, pytest.raises(SluicegateError) as error:
        nobody.count("acme")
    assert error.value.reason == "unreachable"
    with pytest.raises(SluicegateError) as error:
        AdminClient("127.0.0.1:8081", ADMIN_KEY)
    assert error.value.reason == "bad_url"
    with pytest.raises(SluicegateError) as error:
        admin.publish("acme", "room:x", {1, 2})
    assert error.value.reason == "bad_data"
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(SluicegateError) as error:
        admin.publish("acme", "room:x", endless)
    assert error.value.reason == "bad_data"


def test_names_that_a_path_would_swallow_are_names(admin: AdminClient) -> None:
    for name in (".", "..", "...", "%2e", "a/../b", "?x=1", "#"):
        admin.ban_user("acme", name, 60)
        assert [ban.get("user") for ban in admin.list_bans("acme")["bans"]] == [name]
        admin.unban_user("acme", name)
        admin.publish("acme", f"room:{name}", 1)
        assert admin.read_history("acme", f"room:{name}")["channel"] == f"room:{name}"
    assert admin.read_presence("acme", "room:..")["channel"] == "room:.."
    assert admin.list_bans("acme")["bans"] == []


def test_a_key_may_come_from_a_file(broker: Broker) -> None:
    with AdminClient(broker.admin, f"{ADMIN_KEY}\n") as admin:
        assert admin.count("acme")["tenant"] == "acme"
    for key in ("", " ", "sga_\u00e4", "sga_one\nsga_other"):
        with pytest.raises(SluicegateError) as raised:
            AdminClient(broker.admin, key)
        assert raised.value.reason == "bad_option"
        assert "sga_" not in str(raised.value)
