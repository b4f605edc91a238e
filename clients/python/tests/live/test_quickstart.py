"""The chat of docs/clients/PYTHON.md, as it stands there, between two people."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from support.broker import Broker, token
from support.heard import within

pytestmark = pytest.mark.anyio
PACKAGE = Path(__file__).parents[2]
PAGE = PACKAGE.parents[1] / "docs" / "clients" / "PYTHON.md"


class Person:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, program: Path, user: str) -> Person:
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE / "src")}
        pipe = asyncio.subprocess.PIPE
        arguments = [sys.executable, str(program), token(user)]
        return cls(await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, env=environment))

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def sees(self, line: str) -> None:
        assert self._process.stdout is not None
        while (await within(self._process.stdout.readline())).decode().strip() != line:
            pass

    async def leaves(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await within(self._process.wait())


async def test_two_people_chat(broker: Broker, tmp_path: Path) -> None:
    (code,) = re.findall(r"Write `chat.py`:\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    program = tmp_path / "chat.py"
    program.write_text(code.replace("127.0.0.1:8080", f"127.0.0.1:{broker.port}"))
    ann, bob = await Person.start(program, "ann"), await Person.start(program, "bob")
    await ann.sees("here: ann bob")
    ann.write("hello")
    await bob.sees("ann: hello")
    bob.write("good morning")
    await ann.sees("bob: good morning")
    assert await bob.leaves() == 0
    await ann.sees("here: ann")
    assert await ann.leaves() == 0
