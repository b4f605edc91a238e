"""Every call of the OpenAPI document, by its ``operationId``."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from ..values import Position
from . import answers
from .call import Answer, Call, body, query, read_json, tenant_path

JSON = {"content-type": "application/json"}
TOML = {"content-type": "application/toml"}


def _get(path: str, parameters: Mapping[str, str] | None = None) -> Call[Any]:
    return Call("GET", path, read_json, query=parameters or {})


def _post(path: str, content: bytes | None) -> Call[Any]:
    return Call("POST", path, read_json, content=content, headers=JSON if content else {})


def _data(data: Any) -> dict[str, Any]:
    """Bytes, for a binary channel, are base64 in JSON. `None` is data too, so it is not left out."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return {"data": b64encode(data).decode(), "encoding": "base64"}
    return {"data": data}


def _message(fields: dict[str, Any], data: Any, key: str | None, ephemeral: bool) -> bytes:
    written = body(**fields, key=key, ephemeral=ephemeral or None, **_data(data))
    return written if data is not None else written[:-1] + b', "data": null}'


def publish(tenant: str, channel: str, data: Any, *, key: str | None = None, ephemeral: bool = False) -> Call[answers.PublishAnswer]:
    """Publish a message to a channel. With a ``key``, twice is as good as once."""
    return _post(tenant_path(tenant, "publish"), _message({"channel": channel}, data, key, ephemeral))


def broadcast(
    tenant: str, channels: Sequence[str], data: Any, *, key: str | None = None, ephemeral: bool = False
) -> Call[answers.BroadcastAnswer]:
    """Publish one message to 1 to 1,000 channels. Each succeeds or fails by itself: see ``results``."""
    return _post(tenant_path(tenant, "broadcast"), _message({"channels": list(channels)}, data, key, ephemeral))


def count(tenant: str) -> Call[answers.CountAnswer]:
    """Count connections and subscriptions, by node."""
    return _get(tenant_path(tenant))


def list_channels(
    tenant: str, *, prefix: str | None = None, limit: int | None = None, after: str | None = None
) -> Call[answers.ChannelsAnswer]:
    """List the channels that have subscribers. The next page is the same call with ``after`` as ``next`` was."""
    return _get(tenant_path(tenant, "channels"), query(prefix=prefix, limit=limit, after=after))


def list_connections(
    tenant: str, *, user: str | None = None, limit: int | None = None, after: str | None = None
) -> Call[answers.ConnectionsAnswer]:
    """List connections, of one user or of all. The next page is the same call with ``after`` as ``next`` was."""
    return _get(tenant_path(tenant, "connections"), query(user=user, limit=limit, after=after))


def read_presence(tenant: str, channel: str, *, limit: int | None = None, after: str | None = None) -> Call[answers.PresenceAnswer]:
    """List the members of a channel."""
    return _get(tenant_path(tenant, "channels", channel, "presence"), query(limit=limit, after=after))


def read_history(
    tenant: str, channel: str, *, limit: int | None = None, reverse: bool = False, since: Position | None = None
) -> Call[answers.HistoryAnswer]:
    """Read the messages of a channel: those that follow ``since``, or with ``reverse`` precede it."""
    since_epoch, since_offset = (since.epoch, since.offset) if since else (None, None)
    asked = query(limit=limit, reverse=reverse or None, since_epoch=since_epoch, since_offset=since_offset)
    return _get(tenant_path(tenant, "channels", channel, "history"), asked)


def disconnect_user(tenant: str, user: str, *, code: int | None = None) -> Call[answers.Affected]:
    """End all connections of a user, with 4504 unless another ``code`` is given."""
    return _post(tenant_path(tenant, "users", user, "disconnect"), None if code is None else body(code=code))


def disconnect_session(tenant: str, session: str, *, code: int | None = None) -> Call[answers.Affected]:
    """End one connection, with 4504 unless another ``code`` is given."""
    return _post(tenant_path(tenant, "sessions", session, "disconnect"), None if code is None else body(code=code))


def unsubscribe_user(tenant: str, user: str, channel: str) -> Call[answers.Affected]:
    """End a user's subscriptions to a channel."""
    return _post(tenant_path(tenant, "users", user, "unsubscribe"), body(channel=channel))


def ban_user(tenant: str, user: str, seconds: int, *, reason: str | None = None) -> Call[answers.Affected]:
    """Refuse a user for so long from now, in place of a ban that there is, and end their connections."""
    path = tenant_path(tenant, "users", user, "ban")
    return Call("PUT", path, read_json, content=body(seconds=seconds, reason=reason), headers=JSON)


def unban_user(tenant: str, user: str) -> Call[answers.Affected]:
    """Refuse a user no longer."""
    return Call("DELETE", tenant_path(tenant, "users", user, "ban"), read_json)


def ban_address(tenant: str, address: str, seconds: int, *, reason: str | None = None) -> Call[answers.Affected]:
    """Refuse clients without a user that come from an address, or from its /64, and end their connections."""
    path = tenant_path(tenant, "addresses", address, "ban")
    return Call("PUT", path, read_json, content=body(seconds=seconds, reason=reason), headers=JSON)


def unban_address(tenant: str, address: str) -> Call[answers.Affected]:
    """Refuse clients without a user that come from an address no longer."""
    return Call("DELETE", tenant_path(tenant, "addresses", address, "ban"), read_json)


def list_bans(tenant: str, *, limit: int | None = None, after: str | None = None) -> Call[answers.BansAnswer]:
    """List the bans that hold, of users and of addresses."""
    return _get(tenant_path(tenant, "bans"), query(limit=limit, after=after))


def revoke_tokens(
    tenant: str, *, jti: str | None = None, user: str | None = None, until: int | None = None, reason: str | None = None
) -> Call[answers.Revoked]:
    """Refuse a token by its ``jti``, or all tokens of a ``user`` that were issued before now, and end the connections by them."""
    return _post(tenant_path(tenant, "revocations"), body(jti=jti, user=user, until=until, reason=reason))


def list_revocations(tenant: str, *, limit: int | None = None, after: str | None = None) -> Call[answers.RevocationsAnswer]:
    """List the revocations that are remembered."""
    return _get(tenant_path(tenant, "revocations"), query(limit=limit, after=after))


def delete_revocation(tenant: str, id: str) -> Call[answers.Affected]:
    """Refuse the tokens of a revocation no longer."""
    return Call("DELETE", tenant_path(tenant, "revocations", id), read_json)


def read_tenant_config(tenant: str) -> Call[answers.TenantConfig]:
    """Read the config of a pushed tenant, without its secrets."""
    return Call("GET", tenant_path(tenant, "config"), _tenant_config)


def push_tenant_config(
    tenant: str, toml: str, *, if_match: str | None = None, if_none_match: str | None = None
) -> Call[answers.PushedAnswer]:
    """Create a tenant, or replace its config, on all nodes. ``if_match`` is a version, or ``"*"`` for any; ``if_none_match="*"`` only
    creates."""
    headers = {**TOML, **_conditions(if_match, if_none_match)}
    return Call("PUT", tenant_path(tenant, "config"), read_json, content=toml.encode(), headers=headers)


def delete_tenant_config(tenant: str, *, if_match: str | None = None, if_none_match: str | None = None) -> Call[answers.PushedAnswer]:
    """Delete a pushed tenant on all nodes, and send its clients away."""
    return Call("DELETE", tenant_path(tenant, "config"), read_json, headers=_conditions(if_match, if_none_match))


def _conditions(if_match: str | None, if_none_match: str | None) -> dict[str, str]:
    given = {"if-match": if_match, "if-none-match": if_none_match}
    return {name: _entity_tag(version) for name, version in given.items() if version is not None}


def _entity_tag(version: str) -> str:
    return f'"{version}"' if version.isdigit() else version


def _tenant_config(answer: Answer) -> answers.TenantConfig:
    return answers.TenantConfig(answer.text, answer.headers.get("etag", "").strip('"'))
