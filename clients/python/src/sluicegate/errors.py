"""What every call of this package fails with. It does not know where a refusal comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SluicegateError(Exception):
    """A refusal of the broker, or a reason of the client's own.

    Programs look at ``code`` and ``reason``. The broker's codes are 4400 to 4899; ``code`` is 0 where the client itself has the reason:

    - `queue_full`: publishes that wait to be sent have more than `queue_bytes` bytes
    - `timeout`: no answer in time; a publish may or may not have happened
    - `closed`: the client was disconnected before the answer came
    - `connection_lost`: the connection ended before an ephemeral publish was answered; it is not sent again
    - `unsubscribed`: the subscription was given up before the answer came
    - `bad_data`: what was to be published cannot be written in the client's format
    - `bad_answer`: the broker's answer cannot be read
    - `bad_url`, `bad_option`: what the client was given
    - `token_failed`: `get_token` raised, returned no text, or did not return within `timeout_ms`
    - `unreachable`: nobody is at that address
    - `connection_failed`: a connection could not be made, or broke in a way that nobody expected
    - `http_…`: an HTTP status in place of a connection
    - `slow_consumer`: a loop over messages was too slow for them
    - `listener_failed`: a listener raised; `__cause__` has what
    - `too_many_requests`: more than 1,024 requests wait for answers

    ``retry`` says whether the same request may succeed later; ``retry_after_ms``, when; ``plugin``, which plugin refused.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str = "",
        retry: bool = False,
        retry_after_ms: int | None = None,
        plugin: str | None = None,
    ) -> None:
        super().__init__(code, reason, message)
        self.code = code
        self.reason = reason
        self.message = message or reason
        self.retry = retry
        self.retry_after_ms = retry_after_ms
        self.plugin = plugin

    def __str__(self) -> str:
        by = f" (by the plugin {self.plugin})" if self.plugin else ""
        number = f"{self.code} " if self.code else ""
        return f"{number}{self.reason}: {self.message}{by}"

    @classmethod
    def read(cls, payload: object) -> SluicegateError:
        """The payload of an ``error`` envelope."""
        fields: Mapping[str, Any] = payload if isinstance(payload, dict) else {}
        code, reason, message = fields.get("code"), fields.get("reason"), fields.get("message")
        after, plugin = fields.get("retry_after_ms"), fields.get("plugin")
        return cls(
            code if isinstance(code, int) else 0,
            reason if isinstance(reason, str) else "bad_answer",
            message if isinstance(message, str) else "",
            fields.get("retry") is True,
            int(after) if isinstance(after, (int, float)) else None,
            plugin if isinstance(plugin, str) else None,
        )


def closed(message: str = "the client was closed") -> SluicegateError:
    return SluicegateError(0, "closed", message)


def timed_out(what: str) -> SluicegateError:
    return SluicegateError(0, "timeout", f"no answer in time to {what}", retry=True)
