"""An MCP server that is overloaded, dies and comes back where it was, and the ledger of what was executed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from e2e.process import lasting_port
from e2e.servers import SERVERS, McpServer

START_SECONDS = 120.0
"""On a machine that others keep busy as well, a start takes its time."""


class Replica:
    """A place on loopback where such a server lives; a context manager.

    The second server that lives there has another name, as `primary-2`: what the first knew is gone.
    """

    def __init__(self, role: str, state: Path) -> None:
        self.role = role
        self.port = lasting_port()
        self._state = state
        self._lives = 0
        self._server: McpServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()

    @property
    def name(self) -> str:
        """The name of the server that lives here now, or did last."""
        return self.role if self._lives == 1 else f"{self.role}-{self._lives}"

    @property
    def address(self) -> str:
        """As Envoy writes it."""
        return f"127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        """Returns once it serves."""
        self._lives += 1
        argv: list[str | Path] = [sys.executable, SERVERS / "replica.py", "--port", str(self.port)]
        argv += ["--name", self.name, "--state", self._state]
        log = self._state / f"{self.name}.log"
        self._server = McpServer(self.name, argv, log, start_seconds=START_SECONDS)

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        assert self._server is not None, f"{self.role} is dead"
        self._server.kill()
        self._server = None

    @contextmanager
    def overloaded(self) -> Iterator[None]:
        """It says 503 to whoever comes through the gateway, while its health checks succeed."""
        switch = self._state / f"{self.role}.overloaded"
        switch.touch()
        try:
            yield
        finally:
            switch.unlink()


class Ledger:
    """What all servers of a directory executed, by the id of the call."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def began(self, call: str | None = None) -> list[str]:
        """The servers that began this call, or any, once for each time."""
        return self._servers(call, "began")

    def ended(self, call: str | None = None) -> list[str]:
        """The servers that finished it."""
        return self._servers(call, "ended")

    def let_go(self, call: str) -> None:
        """Lets a held call go on."""
        (self._state / f"{call}.go").touch()

    def lines(self) -> list[dict[str, str]]:
        file = self._state / "executed"
        complete = file.read_text().rpartition("\n")[0] if file.exists() else ""
        return [json.loads(line) for line in complete.splitlines()]

    def _servers(self, call: str | None, what: str) -> list[str]:
        lines = [line for line in self.lines() if line["what"] == what]
        return [line["server"] for line in lines if call in (None, line["call"])]
