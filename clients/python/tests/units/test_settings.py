"""Where the transports connect to, derived from one URL."""

from __future__ import annotations

import pytest

from sluicegate.settings import _urls


@pytest.mark.parametrize(
    ("url", "sse", "poll"),
    [
        ("ws://host/ws", "http://host/sse", "http://host/poll"),
        ("wss://host:8443/t/acme/ws", "https://host:8443/t/acme/sse", "https://host:8443/t/acme/poll"),
        ("wss://host/ws?a=b", "https://host/sse?a=b", "https://host/poll?a=b"),
        ("ws://[::1]:80/ws", "http://[::1]:80/sse", "http://[::1]:80/poll"),
        ("wss://host/news", None, None),
        ("wss://host/", None, None),
    ],
)
def test_the_others_follow_from_a_url_that_ends_in_ws(url: str, sse: str | None, poll: str | None) -> None:
    urls = _urls(url, None, None)
    assert (urls["websocket"], urls.get("sse"), urls.get("poll")) == (url, sse, poll)
    given = _urls(url, "http://a/x", "https://b/y")
    assert (given["sse"], given["poll"]) == ("http://a/x", "https://b/y")
