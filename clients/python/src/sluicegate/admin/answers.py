"""What the calls answer, as the OpenAPI document has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """A pushed tenant's config, without its secrets, and its version for ``if_match``."""

    toml: str
    version: str


class Affected(TypedDict):
    affected: int


class _Page(TypedDict, total=False):
    next: str | None


class _BanFields(TypedDict, total=False):
    user: str | None
    address: str | None


class ShownBan(_BanFields):
    by: Literal["plugin", "operator"]
    until_ms: int


class BansAnswer(_Page):
    bans: list[ShownBan]


class PartProblem(TypedDict):
    code: str
    detail: str


class ChannelResult(TypedDict, total=False):
    channel: str
    message: str
    duplicate: bool
    epoch: str | None
    offset: int | None
    error: PartProblem | None


class BroadcastAnswer(TypedDict):
    published: int
    failed: int
    results: list[ChannelResult]


class ChannelEntry(TypedDict):
    channel: str
    subscribers: int


class ChannelsAnswer(_Page):
    channels: list[ChannelEntry]


class Connection(TypedDict, total=False):
    session: str
    user: str | None
    tenant: str
    node: str
    transport: str
    remote_address: str
    connected_at_ms: int
    channels: int


class ConnectionsAnswer(_Page):
    connections: list[Connection]


class NodeCount(TypedDict):
    node: str
    connections: int
    subscriptions: int
    quarantined: bool


class CountAnswer(TypedDict):
    tenant: str
    connections: int
    subscriptions: int
    nodes: list[NodeCount]


class HistoryAnswer(TypedDict):
    channel: str
    epoch: str
    offset: int
    messages: list[Any]


class PresenceMember(TypedDict, total=False):
    session: str
    user: str | None


class PresenceAnswer(_Page):
    channel: str
    count: int
    members: list[PresenceMember]


class _PublishFields(TypedDict, total=False):
    epoch: str | None
    offset: int | None
    duplicate: bool


class PublishAnswer(_PublishFields):
    message: str


class _NodeReason(TypedDict, total=False):
    reason: str | None


class NodeOutcome(_NodeReason):
    node: str
    done: bool


class PushedAnswer(TypedDict):
    tenant: str
    version: str
    nodes: list[NodeOutcome]


class Revoked(TypedDict):
    id: str
    until: int
    affected: int


class _RevocationFields(TypedDict, total=False):
    jti: str | None
    user: str | None


class ShownRevocation(_RevocationFields):
    id: str
    until: int


class RevocationsAnswer(_Page):
    revocations: list[ShownRevocation]
