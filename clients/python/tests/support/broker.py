"""A real broker of the tests' own, and tokens for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

SECRET = "a secret that only the tests' broker has, and this file"
ADMIN_KEY = "sga_a-key-that-only-these-tests-know-0123456789"
START_SECONDS = 180.0

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
admin_listen = "127.0.0.1:0"
default_tenant = "acme"
shards = 1
drain_seconds = 1
ping_ms = 1000

[admin]
audit_log = "{folder}/audit.jsonl"

[[admin.keys]]
name = "tests"
sha256 = "{key}"
scopes = ["publish", "read", "connections", "ban", "tenants"]

[plugins.authorize]
file = "{plugins}/authorize.wasm"

[[tenants]]
name = "acme"
default = "allow"

[[tenants.chain]]
plugin = "authorize"
hooks = ["connect"]
config = {{ leeway_seconds = 0, keys = [{{ alg = "HS256", secret = "{secret}" }}] }}

[[tenants.channels]]
match = "room:*"
history = {{ size = 1000, ttl_seconds = 300 }}
presence = true
join_leave = true

[[tenants.channels]]
match = "short:*"
history = {{ size = 3, ttl_seconds = 300 }}

[[tenants.channels]]
match = "bytes:*"
content = "binary"
history = {{ size = 1000, ttl_seconds = 300 }}

[tenants.limits]
connections_per_user = 1000
publish_per_second = 10000
requests_per_second = 10000
"""


def variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set; `cargo xtask test python-client` sets it")
    return value


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token(user: str, seconds: float = 3600, **claims: Any) -> str:
    """A JSON Web Token that is good for so long."""
    now = time.time()
    payload = {"sub": user, "iat": int(now), "exp": int(now + seconds), **claims}
    signed = f"{_part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{_part(json.dumps(payload).encode())}"
    return f"{signed}.{_part(hmac.digest(SECRET.encode(), signed.encode(), 'sha256'))}"


class Broker:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "broker.log"
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.admin = ""
        self.start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def start(self) -> None:
        """Also again, on the port that it had."""
        config = self._folder / "sluicegate.toml"
        text = CONFIG.format(
            port=self.port,
            folder=self._folder,
            plugins=variable("SLUICEGATE_PLUGINS"),
            secret=SECRET,
            key=hashlib.sha256(ADMIN_KEY.encode()).hexdigest(),
        )
        config.write_text(text)
        with self._log.open("a") as log:
            command = [variable("SLUICEGATE_BIN"), "serve", "--config", str(config)]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("admin on http://"):
                self.admin = line.removeprefix("admin on ").strip()
            if line.startswith("listening on http://"):
                self.port = int(line.rsplit(":", 1)[1])
                return
        raise RuntimeError(f"the broker does not listen\n{self._log.read_text()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
